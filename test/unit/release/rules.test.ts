import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { inputsWith } from "../../../pipeline/plan/freshness.ts";
import { expectedAssets, notAsDeclared } from "../../../pipeline/release/expected.ts";
import { prune } from "../../../pipeline/release/prune.ts";
import { type PublishOptions, publish } from "../../../pipeline/release/publish.ts";
import { uploadCell } from "../../../pipeline/release/upload.ts";
import { verifyRelease } from "../../../pipeline/release/verify.ts";
import { readCells } from "../../../pipeline/runtime/read-cells.ts";
import type { Cells } from "../../../pipeline/schema/cells.ts";
import { manifestOf, manifestText } from "../../../pipeline/schema/manifest.ts";
import type { RecordedDigests } from "../../../pipeline/schema/recorded-digests.ts";
import { DirectoryReleases } from "../../../pipeline/stores/directory/releases.ts";
import { StagingDirectory } from "../../../pipeline/stores/directory/staging.ts";
import { checkOutgoing, isPublished, MOST_ASSETS, otherBytes } from "../../../pipeline/stores/outgoing.ts";
import type { ReleaseStore } from "../../../pipeline/stores/store.ts";
import { GitHubServer } from "../../support/github/server.ts";
import { bytesOf, factsOf, Publisher, stage } from "../../support/github/staging.ts";
import { REPOSITORY } from "../../support/project.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { silentRun } from "../../support/silent.ts";

const all = readCells(REPOSITORY);
const IDS = ["kernel-amd64", "base-amd64-ubuntu", "codex-amd64-ubuntu"];
const cells: Cells = { ...all, accepts: [], cells: all.cells.filter(({ id }) => IDS.includes(id)) };
const ELF = "vmlinux-amd64.elf";
const BASE = "base-amd64-rootfs.ext4.zst";
const CODEX = "codex-amd64-ubuntu-rootfs.ext4.zst";
const codex = cells.cells.find(({ id }) => id === "codex-amd64-ubuntu")!;
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
/** The same cells, one of which is only built locally. */
const unpublished = (id: string): Cells => ({
  ...cells,
  cells: cells.cells.map((cell) => (cell.id === id ? { ...cell, published: false } : cell)),
});

let server: GitHubServer;
let publisher: Publisher;
let directory: string;
beforeEach(async () => {
  server = await GitHubServer.start();
  directory = tempDirectory();
  publisher = Publisher.staged(server, cells, directory);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.stop();
});
const draft = () => server.github.releases.find(({ tag }) => tag === cells.tag)!;
const uploads = () => server.requests.filter((request) => /^POST .*\/assets$/.test(request)).length;

describe("what a release must have", () => {
  const staged = () => new StagingDirectory(directory);

  it("is every asset of the published cells, as it is staged", async () => {
    const { facts, problems } = await expectedAssets(cells, staged());
    expect(problems).toEqual([]);
    expect(facts.map(({ asset }) => asset).sort()).toEqual([BASE, CODEX, ELF, "vmlinux-amd64.image"].sort());
    const without = await expectedAssets(unpublished("codex-amd64-ubuntu"), staged());
    expect(without.facts.map(({ asset }) => asset)).not.toContain(CODEX);
    expect(without.problems).toEqual([]);
  });

  it("is named where it is not staged, with the command that makes it", async () => {
    rmSync(join(directory, `${CODEX}.json`));
    expect((await expectedAssets(cells, staged())).problems).toEqual([
      `${CODEX}: not staged in ${directory} (\`npx smolvm-images cell codex-amd64-ubuntu\`)`,
    ]);
  });

  it("in part, is what is staged, also of cells that are not published", async () => {
    rmSync(join(directory, `${ELF}.json`));
    const { facts, problems } = await expectedAssets(unpublished("codex-amd64-ubuntu"), staged(), true);
    expect(problems).toEqual([]);
    expect(facts.map(({ asset }) => asset).sort()).toEqual([BASE, CODEX, "vmlinux-amd64.image"].sort());
  });

  it("in part, is something", async () => {
    const empty = tempDirectory();
    const nothing = new StagingDirectory(empty);
    expect((await expectedAssets(cells, nothing, true)).problems).toEqual([`nothing is staged in ${empty}`]);
    // Otherwise, each of them is missing, and that is said.
    expect((await expectedAssets(cells, nothing)).problems).toHaveLength(4);
  });

  it("is made as declared, or named with what was not", async () => {
    const overrides = ["apt=live", "level=3"];
    const facts = [factsOf(codex, CODEX, overrides), factsOf(codex, "other")];
    expect(notAsDeclared(cells, facts)).toEqual([`${CODEX}: not as declared (apt=live, level=3)`]);
    expect(notAsDeclared({ ...cells, accepts: ["apt=live"] }, facts)).toEqual([
      `${CODEX}: not as declared (level=3)`,
    ]);
    expect(notAsDeclared({ ...cells, accepts: overrides }, facts)).toEqual([]);
  });
});

describe("upload sends nothing of a cell", () => {
  const upload = async (store: ReleaseStore, cell = codex) => {
    const release = await store.prepare(cells.tag);
    return await uploadCell({ cells, staged: publisher.staged, store, release }, cell, silentRun());
  };

  it("that is only built locally, to where others read it", async () => {
    const local = { ...codex, published: false };
    await expect(upload(publisher.store(), local)).rejects.toThrow(
      /^codex-amd64-ubuntu is only built locally/,
    );
    expect(uploads()).toBe(0);
    const mine = new DirectoryReleases(join(tempDirectory(), cells.tag), cells.tag, silentRun());
    expect((await upload(mine, local)).map(({ sent }) => sent)).toEqual(["sent"]);
  });

  it("that is not staged, or of other inputs, and names the command", async () => {
    const facts = JSON.parse(readFileSync(join(directory, `${CODEX}.json`), "utf8"));
    writeFileSync(join(directory, `${CODEX}.json`), JSON.stringify({ ...facts, inputs: "0".repeat(64) }));
    await expect(upload(publisher.store())).rejects.toThrow(
      `${CODEX} in ${directory} was made from other inputs than the tree's: run \`npx smolvm-images cell codex-amd64-ubuntu\` first`,
    );
    rmSync(join(directory, `${CODEX}.json`));
    await expect(upload(publisher.store())).rejects.toThrow(`${CODEX} is not staged in ${directory}: run`);
    expect(uploads()).toBe(0);
  });

  it("that is not as declared; a directory may have it", async () => {
    const live = { inputs: inputsWith(codex, ["apt=live"]), overrides: ["apt=live"] };
    stage(cells, directory, (cell, asset) => ({ ...factsOf(cell, asset), ...(asset === CODEX ? live : {}) }));
    await expect(upload(publisher.store())).rejects.toThrow(/^not as declared: apt=live/);
    expect(uploads()).toBe(0);
    const mine = new DirectoryReleases(join(tempDirectory(), cells.tag), cells.tag, silentRun());
    expect((await upload(mine)).map(({ facts, sent }) => [facts.asset, sent])).toEqual([[CODEX, "sent"]]);
  });

  it("before all of its assets are known to be right", async () => {
    rmSync(join(directory, "vmlinux-amd64.image.json"));
    const kernel = cells.cells.find(({ kind }) => kind === "kernel")!;
    await expect(upload(publisher.store(), kernel)).rejects.toThrow("vmlinux-amd64.image is not staged");
    expect(uploads()).toBe(0);
  });
});

describe("publish", () => {
  const to = async (store: ReleaseStore, more: Partial<PublishOptions> = {}, run = silentRun()) => {
    const release = await store.prepare(cells.tag);
    const record = async () => {};
    return await publish(
      { cells, staged: publisher.staged, store, release, record, final: true, ...more },
      run,
    );
  };
  const inDirectory = () => {
    const path = join(tempDirectory(), cells.tag);
    return { path, store: new DirectoryReleases(path, cells.tag, silentRun()) };
  };
  const fill = async (store: ReleaseStore, ids = IDS) => {
    const release = await store.prepare(cells.tag);
    for (const cell of cells.cells.filter(({ id }) => ids.includes(id))) {
      await uploadCell({ cells, staged: publisher.staged, store, release }, cell, silentRun());
    }
  };

  it("of a part is for directories alone", async () => {
    await expect(to(publisher.store(), { partial: true })).rejects.toThrow(
      /^--partial is only for directories/,
    );
  });

  it("of a part has the rows of what is there", async () => {
    const { path, store } = inDirectory();
    rmSync(join(directory, `${CODEX}.json`));
    await fill(store, ["kernel-amd64", "base-amd64-ubuntu"]);
    expect((await to(store, { partial: true })).problems).toEqual([]);
    const manifest = JSON.parse(readFileSync(join(path, "manifest.json"), "utf8"));
    expect([manifest.kernels.length, manifest.bases.length, manifest.images.length]).toEqual([2, 1, 0]);
  });

  it("in a directory says what is not as declared, and publishes it; on GitHub it does not", async () => {
    const live = { inputs: inputsWith(codex, ["apt=live"]), overrides: ["apt=live"] };
    stage(cells, directory, (cell, asset) => ({ ...factsOf(cell, asset), ...(asset === CODEX ? live : {}) }));
    const { store } = inDirectory();
    await fill(store);
    const run = recordedRun();
    expect((await to(store, {}, run)).problems).toEqual([]);
    expect(run.warnings).toEqual([`${CODEX}: not as declared (apt=live)`]);

    const github = recordedRun();
    const { problems } = await to(publisher.store(), {}, github);
    expect(problems).toContain(`${CODEX}: not as declared (apt=live)`);
    expect(github.warnings).toEqual([]);
  });

  it("in a directory leaves alone what somebody keeps there", async () => {
    const { path, store } = inDirectory();
    await fill(store);
    writeFileSync(join(path, "notes.txt"), "mine");
    expect((await to(store)).problems).toEqual([]);
    expect(readFileSync(join(path, "notes.txt"), "utf8")).toBe("mine");
  });

  it("names an asset on GitHub that no cell makes, and leaves its own inventories and manifest alone", async () => {
    await publisher.upload(await publisher.prepare());
    await publisher.publish(await publisher.prepare(), false);
    server.github.addAsset(draft(), "notes.txt", "hello");
    expect((await to(publisher.store())).problems).toEqual([
      "notes.txt: on the release, but no cell makes it",
    ]);
    expect(draft().draft).toBe(true);
  });

  it("that is not final says what is there, sends nothing a second time, and leaves no files behind", async () => {
    vi.stubEnv("TMPDIR", tempDirectory());
    await publisher.upload(await publisher.prepare());
    const first = await to(publisher.store(), { final: false });
    expect(first).toMatchObject({ problems: [], release: { state: "draft", tag: cells.tag } });
    expect(first.facts).toHaveLength(4);
    server.requests.length = 0;
    await to(publisher.store(), { final: false });
    expect(server.requests.filter((request) => !request.startsWith("GET"))).toEqual([]);
    expect(readdirSync(tmpdir())).toEqual([]);
  });

  it("names an asset that has other bytes, and adds nothing", async () => {
    const { path, store } = inDirectory();
    await fill(store);
    writeFileSync(join(path, CODEX), "other");
    const { problems, release } = await to(store);
    expect(problems).toEqual([
      `${CODEX}: sha256 ${sha256("other")} on the release, ${sha256(bytesOf(CODEX))} expected`,
    ]);
    expect(release.tag).toBe(cells.tag);
    expect(existsSync(join(path, "manifest.json"))).toBe(false);
  });

  it("replaces the manifest that an earlier try has left, and none that somebody else has put there", async () => {
    const { path, store } = inDirectory();
    await fill(store);
    writeFileSync(join(path, "manifest.json"), "{}");
    await expect(to(store)).rejects.toThrow(
      "manifest.json was not made by the pipeline, so it is not changed",
    );
    expect(readFileSync(join(path, "manifest.json"), "utf8")).toBe("{}");
    writeFileSync(
      join(path, "manifest.json"),
      manifestText({ ...manifestOf(cells, undefined), tag: "older" }),
    );
    await to(store);
    expect(JSON.parse(readFileSync(join(path, "manifest.json"), "utf8")).tag).toBe(cells.tag);
    const sums = readFileSync(join(path, "SHA256SUMS"), "utf8");
    expect(sums).toContain(`${sha256(readFileSync(join(path, "manifest.json"), "utf8"))}  manifest.json`);
  });

  it("records what it has published, in one order, and says what it does", async () => {
    const release = await publisher.prepare();
    await publisher.upload(release);
    const run = recordedRun();
    const recorded: RecordedDigests[] = [];
    const record = async (lock: RecordedDigests) => void recorded.push(lock);
    const { facts, release: after } = await to(publisher.store(), { record }, run);
    expect(after.state).toBe("published");
    expect(facts).toHaveLength(4);
    expect(recorded).toMatchObject([{ schema_version: 2, tag: cells.tag }]);
    expect(Object.keys(recorded[0]!.assets)).toEqual([BASE, CODEX, ELF, "vmlinux-amd64.image"]);
    expect(run.steps[0]).toContain(`compare ${cells.tag} on example/images on GitHub`);
    expect(run.steps.at(-1)).toBe(`make ${cells.tag} public`);
  });

  it("sends the inventory that the two formats of a kernel share once", async () => {
    const release = await publisher.prepare();
    await publisher.upload(release);
    const before = uploads();
    await publisher.publish(release);
    // The manifest, the sums, and the inventories of the kernel, the base, and codex.
    expect(uploads() - before).toBe(5);
  });
});

describe("the manifest's attestation", () => {
  const BUNDLE = "manifest.json.sigstore.json";
  const send = async (bundle: string | undefined, final = false) => {
    const store = publisher.store();
    const release = (await store.find(cells.tag)) ?? (await publisher.prepare());
    if (release.state === "draft") await publisher.upload(release);
    const record = async () => {};
    await publish({ cells, staged: publisher.staged, store, release, record, final, bundle }, silentRun());
  };
  const there = () => server.github.contents(draft());
  const line = (text: string) => `${sha256(text)}  ${BUNDLE}\n`;

  it("is on the release, and in its sums; a later one replaces it while it is a draft", async () => {
    await send("one");
    expect(there()[BUNDLE]).toBe("one");
    expect(there().SHA256SUMS).toContain(line("one"));
    await send("two");
    expect(there()[BUNDLE]).toBe("two");
    expect(there().SHA256SUMS).toContain(line("two"));
  });

  it("stays where it is of the same manifest, and the command has none of its own", async () => {
    await send("one");
    await send(undefined);
    expect(there()[BUNDLE]).toBe("one");
    expect(there().SHA256SUMS).toContain(line("one"));
  });

  it("is removed from a draft whose manifest is another one", async () => {
    await send("one");
    const release = draft();
    release.assets = release.assets.filter(({ name }) => name !== "manifest.json");
    server.github.addAsset(release, "manifest.json", "{}");
    await send(undefined);
    expect(Object.keys(there())).not.toContain(BUNDLE);
    expect(there().SHA256SUMS).not.toContain(BUNDLE);
  });

  it("of a public release stays, when a run that has signed again completes it", async () => {
    await send("one", true);
    const before = uploads();
    await send("two", true);
    expect([uploads() - before, there()[BUNDLE]]).toEqual([0, "one"]);
  });

  it("is part of what verify finds, which has no other file to compare it with", async () => {
    await send("one", true);
    const text = there()["manifest.json"]!;
    const options = { store: publisher.store(), tag: cells.tag, manifest: { text, path: "it" } };
    expect(await verifyRelease({ ...options, download: false }, silentRun())).toMatchObject({ problems: [] });
    const asset = draft().assets.find(({ name }) => name === BUNDLE)!;
    draft().assets.splice(draft().assets.indexOf(asset), 1);
    server.github.addAsset(draft(), BUNDLE, "two");
    const { problems } = await verifyRelease({ ...options, download: true }, silentRun());
    expect(problems).toEqual([expect.stringMatching(/^SHA256SUMS: sha256 .* is recorded$/)]);
  });

  it("is not in a directory", async () => {
    const path = join(tempDirectory(), cells.tag);
    const store = new DirectoryReleases(path, cells.tag, silentRun());
    const release = await store.prepare();
    for (const cell of cells.cells)
      await uploadCell({ cells, staged: publisher.staged, store, release }, cell, silentRun());
    const record = async () => {};
    await publish(
      { cells, staged: publisher.staged, store, release, record, final: true, bundle: "one" },
      silentRun(),
    );
    expect(readdirSync(path)).not.toContain(BUNDLE);
  });
});

describe("verify", () => {
  const text = () => manifestText(manifestOf(cells, publisher.recorded));
  const verify = (options: { text?: string; tag?: string; store?: ReleaseStore } = {}, run = silentRun()) =>
    verifyRelease(
      {
        store: options.store ?? publisher.store(),
        tag: options.tag ?? cells.tag,
        manifest: { text: options.text ?? text(), path: "out/manifest.json" },
        download: false,
      },
      run,
    );

  it("says where there is no release, and why that may be", async () => {
    await publisher.all();
    const { tag } = cells;
    server.github.releases.length = 0;
    await expect(verify()).rejects.toThrow(
      `example/images on GitHub has no release ${tag} that this token may see`,
    );
  });

  it("compares nothing with what is no manifest, or has no rows", async () => {
    await publisher.all();
    for (const wrong of ["{ half", "{}"]) {
      await expect(verify({ text: wrong })).rejects.toThrow(
        /^out\/manifest\.json is not a manifest \(.+\): run `npx smolvm-images synth`$/,
      );
    }
    await expect(verify({ text: manifestText(manifestOf(cells, undefined)) })).rejects.toThrow(
      `out/manifest.json has no rows: nothing is recorded as published at ${cells.tag} yet`,
    );
  });

  it("names an upload that was not finished, and another manifest than ours", async () => {
    await publisher.all();
    draft().assets.find(({ name }) => name === CODEX)!.state = "starter";
    draft().assets.find(({ name }) => name === "manifest.json")!.bytes = Buffer.from("{}");
    expect((await verify()).problems).toEqual([
      `${CODEX}: its upload was not finished`,
      `manifest.json: sha256 ${sha256("{}")}, but ${sha256(text())} is recorded`,
    ]);
  });

  it("waits for a list that is stale", async () => {
    await publisher.all();
    draft().assets.find(({ name }) => name === CODEX)!.hidden = 2;
    expect((await verify()).problems).toEqual([]);
  });

  it("says which file it looks at, and how many there are", async () => {
    await publisher.all();
    const run = recordedRun();
    await verify({}, run);
    expect(run.steps).toHaveLength(9);
    expect(run.steps[0]).toBe(`1 of 9: ${ELF}`);
    expect(run.steps[8]).toBe("9 of 9: SHA256SUMS");
  });

  it("takes a directory for what it is: never a draft", async () => {
    const path = join(tempDirectory(), cells.tag);
    const store = new DirectoryReleases(path, cells.tag, silentRun());
    const release = await store.prepare();
    for (const cell of cells.cells) {
      await uploadCell({ cells, staged: publisher.staged, store, release }, cell, silentRun());
    }
    const record = async () => {};
    await publish({ cells, staged: publisher.staged, store, release, record, final: true }, silentRun());
    const manifest = readFileSync(join(path, "manifest.json"), "utf8");
    expect(await verify({ text: manifest, store })).toEqual({ files: 8, problems: [], warnings: [] });
  });
});

describe("prune", () => {
  const TAGS = ["images-v0.0.8", "images-v0.0.9", "images-v0.0.10", "images-v0.0.11"];
  const pruned = async (store: ReleaseStore, more: object = {}, run = silentRun()) => {
    const options = { store, keep: 1, tag: "images-v0.0.12", inUse: "none", dryRun: false, ...more };
    return (await prune(options, run)).map(({ tag }) => tag);
  };

  it("keeps the newest directories, and removes the older ones, newest first", async () => {
    const parent = tempDirectory();
    for (const tag of [...TAGS, "other-v0.0.1"]) {
      stage(cells, join(parent, tag));
      writeFileSync(join(parent, tag, "SHA256SUMS"), "");
    }
    const store = new DirectoryReleases(join(parent, "images-v0.0.12"), "images-v0.0.12", silentRun());
    const run = recordedRun();
    expect(await pruned(store, { keep: 2 }, run)).toEqual(["images-v0.0.9", "images-v0.0.8"]);
    expect(TAGS.map((tag) => existsSync(join(parent, tag)))).toEqual([false, false, true, true]);
    expect(existsSync(join(parent, "other-v0.0.1"))).toBe(true);
    expect(run.steps.slice(1)).toEqual(["remove images-v0.0.9 (draft)", "remove images-v0.0.8 (draft)"]);
  });

  it("keeps none, when it is told so, but what is in use or not older than the tree", async () => {
    for (const tag of [...TAGS, "images-v0.0.12", "images-v0.1.0"])
      server.github.addRelease(tag, { draft: false });
    expect(await pruned(publisher.store(), { keep: 0, inUse: "images-v0.0.9" })).toEqual([
      ...["images-v0.0.11", "images-v0.0.10", "images-v0.0.8"],
    ]);
    expect(server.github.releases.map(({ tag }) => tag).sort()).toEqual([
      ...["images-v0.0.12", "images-v0.0.9", "images-v0.1.0"],
    ]);
  });

  it("orders dates and prereleases as they follow each other, and leaves a tag without a version", async () => {
    for (const tag of ["images-2026.05.06", "images-2026.05.06.1", "images-2026.05.10", "images-latest"])
      server.github.addRelease(tag, { draft: false });
    expect(await pruned(publisher.store(), { tag: "images-2026.05.11-rc.1" })).toEqual([
      ...["images-2026.05.06.1", "images-2026.05.06"],
    ]);
  });

  it("counts no draft as one that is kept", async () => {
    server.github.addRelease("images-v0.0.11");
    for (const tag of TAGS.slice(0, 3)) server.github.addRelease(tag, { draft: false });
    expect(await pruned(publisher.store())).toEqual(["images-v0.0.11", "images-v0.0.9", "images-v0.0.8"]);
  });
});

describe("a file that is to be sent", () => {
  const file = (name: string) => ({ name, path: `/${name}`, size: 1, sha256: "0".repeat(64) });
  const assets = Array.from({ length: MOST_ASSETS }, (_, index) => ({
    ...{ id: String(index), name: `asset-${index}`, size: 1, sha256: undefined, complete: true },
  }));

  it.each(["a", "a.b", "A-Z_09.zst", "_a", "-a-", "a..b"])("may be called %s", (name) => {
    expect(() => checkOutgoing(file(name), [])).not.toThrow();
  });

  it.each(["", ".", "a.", ".a", "a/b", "ä", "a\n", "a+b", "a b"])("may not be called %j", (name) => {
    expect(() => checkOutgoing(file(name), [])).toThrow(
      /^GitHub would change the asset name ".*": use letters/,
    );
  });

  it("is of one byte to 2 GiB minus one", () => {
    const sized = (size: number) => () => checkOutgoing({ ...file("a.zst"), size }, []);
    expect(sized(1)).not.toThrow();
    expect(sized(2147483647)).not.toThrow();
    expect(sized(2147483648)).toThrow(
      /^a\.zst has 2147483648 bytes, and an asset has at most 2147483647 .*smaller$/,
    );
    expect(sized(0)).toThrow("a.zst is empty: build its cell again");
  });

  it("does not fit where there are a thousand others", () => {
    expect(() => checkOutgoing(file("new"), assets)).toThrow(
      "new cannot be added: the release has 1000 assets, the maximum is 1000",
    );
  });

  it("fits when there is one place left, or it has one", () => {
    expect(() => checkOutgoing(file("new"), assets.slice(1))).not.toThrow();
    expect(() => checkOutgoing(file("asset-7"), assets)).not.toThrow();
  });

  it("is refused in words that say what is where, and what to do", () => {
    expect(otherBytes("a.zst", "there", "111", "222", "remove it").message).toBe(
      "a.zst is on there with other bytes (sha256 111 there, 222 here): remove it",
    );
    expect(isPublished("v1", "there").message).toMatch(
      /^v1 is published on there, and .* never changed: choose a new tag \(IMAGES_RELEASE_TAG in images\.ts\)$/,
    );
  });
});
