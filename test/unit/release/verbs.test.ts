import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { prune } from "../../../pipeline/release/prune.ts";
import { publish } from "../../../pipeline/release/publish.ts";
import { uploadCell } from "../../../pipeline/release/upload.ts";
import { verifyRelease } from "../../../pipeline/release/verify.ts";
import { manifestOf, manifestText } from "../../../pipeline/schema/manifest.ts";
import { sbomAsset } from "../../../pipeline/schema/names.ts";
import { DirectoryReleases } from "../../../pipeline/stores/directory/releases.ts";
import { propose } from "../../../pipeline/stores/github/propose.ts";
import { checkOutgoing, MOST_ASSETS, MOST_BYTES } from "../../../pipeline/stores/outgoing.ts";
import { GitHubServer } from "../../support/github/server.ts";
import { bytesOf, factsOf, Publisher, stage } from "../../support/github/staging.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { silentRun } from "../../support/silent.ts";
import { sampleCells } from "../../support/tree.ts";

const all = sampleCells();
const IDS = ["kernel-amd64", "base-amd64-ubuntu", "codex-amd64-ubuntu"];
const cells = { ...all, cells: all.cells.filter(({ id }) => IDS.includes(id)) };
const CODEX = "codex-amd64-ubuntu-rootfs.ext4.zst";
const codex = cells.cells.find(({ id }) => id === "codex-amd64-ubuntu")!;
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

let server: GitHubServer;
let publisher: Publisher;
let directory: string;
beforeEach(async () => {
  server = await GitHubServer.start();
  directory = tempDirectory();
  publisher = Publisher.staged(server, cells, directory);
});
afterEach(() => server.stop());

const draft = () => server.github.releases.find(({ tag }) => tag === cells.tag)!;

describe("every verb twice is harmless:", () => {
  it("prepare gives the same id, as long as nothing is published", async () => {
    const first = await publisher.prepare();
    expect((await publisher.prepare()).id).toBe(first.id);
    expect(server.github.releases).toHaveLength(1);
  });

  it("upload sends each asset once", async () => {
    const release = await publisher.prepare();
    await publisher.upload(release);
    const before = server.requests.filter((request) => request.startsWith("POST")).length;
    await publisher.upload(release);
    expect(server.requests.filter((request) => request.startsWith("POST"))).toHaveLength(before);
  });

  it("publish leaves what is published as it is", async () => {
    const release = await publisher.prepare();
    await publisher.upload(release);
    await publisher.publish(release);
    const contents = server.github.contents(draft());
    const again = await publisher.publish(await publisher.store().open(release.id));
    expect(again).toMatchObject({ problems: [], release: { state: "published" } });
    expect(server.github.contents(draft())).toEqual(contents);
  });
});

describe("publish", () => {
  it("without --final, completes the draft, records the digests, and leaves it a draft", async () => {
    const release = await publisher.prepare();
    await publisher.upload(release);
    await publisher.publish(release, false);
    expect(draft().draft).toBe(true);
    expect(Object.keys(server.github.contents(draft()))).toEqual(
      expect.arrayContaining(["manifest.json", "SHA256SUMS"]),
    );
    expect(publisher.recorded?.assets[CODEX]).toEqual({
      sha256: sha256(bytesOf(CODEX)),
      size: bytesOf(CODEX).length,
      image_sha256: sha256(`image of ${CODEX}`),
      image_size: 10 * bytesOf(CODEX).length,
      content_size: 1000,
      frames: { offset: 1 + CODEX.length, size: 56, sha256: sha256(`frames of ${CODEX}`) },
      proven: ["qemu-pci", "qemu-mmio"],
      sbom: {
        asset: sbomAsset(CODEX),
        sha256: sha256(bytesOf(sbomAsset(CODEX))),
        size: bytesOf(sbomAsset(CODEX)).length,
      },
      inputs: codex.inputs,
      boot: { ms: 3500, accel: "tcg" },
      made_from: codex.made_from,
    });
  });

  it("names everything that is missing or wrong, and changes nothing", async () => {
    const release = await publisher.prepare();
    await publisher.upload(release);
    const [elf] = draft().assets.splice(0, 1);
    draft().assets.find(({ name }) => name === CODEX)!.bytes = Buffer.from("changed");
    draft().assets[0]!.state = "starter";
    const before = server.github.contents(draft());
    const { problems } = await publisher.publish(release);
    expect(problems.toSorted()).toEqual(
      [
        `${CODEX}: sha256 ${sha256("changed")} on the release, ${sha256(bytesOf(CODEX))} expected`,
        `${elf!.name}: not on the release (\`npx smolvm-images cell kernel-amd64 --stage upload\`)`,
        "vmlinux-amd64.image: its upload was not finished (`npx smolvm-images cell kernel-amd64 --stage upload`)",
      ].toSorted(),
    );
    expect(server.github.contents(draft())).toEqual(before);
    expect(draft().draft).toBe(true);
    expect(publisher.recorded).toBeUndefined();
  });

  it("is refused for a reason that it is given, and says what else is wrong", async () => {
    const release = await publisher.prepare();
    const { cells, staged } = publisher;
    const record = async () => expect.unreachable();
    const options = { cells, staged, store: publisher.store(), release, record, final: true };
    const { problems } = await publish({ ...options, withheld: "attest: failure" }, silentRun());
    expect(problems[0]).toBe("withheld: attest: failure");
    expect(problems).toHaveLength(5);
    expect(draft().draft).toBe(true);
  });

  it.each([
    ["is of other inputs", { inputs: "0".repeat(64) }, "made from other inputs than the tree's"],
    ["was not made as declared", { overrides: ["apt=live"] }, "made from other inputs than the tree's"],
  ])("refuses an asset that %s", async (_, change, reason) => {
    const release = await publisher.prepare();
    await publisher.upload(release);
    stage(cells, directory, (cell, asset) => ({
      ...factsOf(cell, asset),
      ...(asset === CODEX ? change : {}),
    }));
    const { problems } = await publisher.publish(release);
    expect(problems[0]).toContain(`${CODEX}: ${reason}`);
    expect(publisher.recorded).toBeUndefined();
  });

  it("accepts what the tree accepts, and refuses other overrides by name", async () => {
    const { inputsWith } = await import("../../../pipeline/plan/freshness.ts");
    const live = { inputs: inputsWith(codex, ["apt=live"]), overrides: ["apt=live"] };
    stage(cells, directory, (cell, asset) => ({ ...factsOf(cell, asset), ...(asset === CODEX ? live : {}) }));
    const store = publisher.store();
    const release = await publisher.prepare(store);
    const upload = { cells, staged: publisher.staged, store, release };
    await expect(uploadCell(upload, codex, silentRun())).rejects.toThrow(
      /^not as declared: apt=live: .* add this to `accepts` of the Release in images\.ts$/,
    );
    const accepting = new Publisher(server, { ...cells, accepts: ["apt=live"] }, directory);
    await accepting.all();
    expect(draft().draft).toBe(false);
  });
});

describe("upload", () => {
  it("refuses a staged file that is not what its facts say, before anything is sent", async () => {
    writeFileSync(join(directory, CODEX), "damaged");
    const release = await publisher.prepare();
    await expect(publisher.upload(release)).rejects.toThrow(
      `${CODEX} does not match its facts (sha256 ${sha256("damaged")}, the facts say ${sha256(bytesOf(CODEX))})`,
    );
    expect(draft().assets.map(({ name }) => name)).not.toContain(CODEX);
  });

  it("says how far it is", async () => {
    const release = await publisher.prepare();
    const run = recordedRun();
    await publisher.upload(release, publisher.store("good", run), run);
    expect(run.steps).toContain(`upload ${CODEX} to ${cells.tag} on example/images on GitHub`);
    expect(run.bytes.at(-1)).toEqual({ done: bytesOf(CODEX).length, total: bytesOf(CODEX).length });
  });

  it.each([
    [
      "2 GiB",
      { size: MOST_BYTES + 1 },
      0,
      /^a\.zst has 2147483648 bytes, and an asset has at most 2147483647 \(2 GiB minus one byte\)/,
    ],
    ["nothing", { size: 0 }, 0, /^a\.zst is empty/],
    ["the thousand-and-first asset", {}, MOST_ASSETS, /^a\.zst cannot be added: the release has 1000 assets/],
    ["a name that GitHub rewrites", { name: "a b.zst" }, 0, /^GitHub would change the asset name "a b\.zst"/],
    ["a name with a dot in front", { name: ".a.zst" }, 0, /^GitHub would change the asset name "\.a\.zst"/],
  ])("refuses %s", (_, change, present, message) => {
    const file = { name: "a.zst", path: "/a.zst", size: 1, sha256: "0".repeat(64), ...change };
    const assets = Array.from({ length: present }, (_, index) => ({
      ...{ id: String(index), name: `asset-${index}`, size: 1, sha256: undefined, complete: true },
    }));
    expect(() => checkOutgoing(file, assets)).toThrow(message);
  });

  it("takes an asset of 2 GiB minus one byte", () => {
    const file = { name: "a.zst", path: "/a.zst", size: MOST_BYTES, sha256: "0".repeat(64) };
    expect(() => checkOutgoing(file, [])).not.toThrow();
  });
});

describe("verify", () => {
  const manifest = () => {
    const text = manifestText(manifestOf(cells, publisher.recorded));
    return { text, path: "out/manifest.json" };
  };
  const verify = (download = false) =>
    verifyRelease({ store: publisher.store(), tag: cells.tag, manifest: manifest(), download }, silentRun());

  it("finds a published release as the manifest says", async () => {
    await publisher.all();
    // Two kernels, a base, codex, three inventories, the manifest, and the sums.
    const good = { files: 9, problems: [], warnings: [expect.stringContaining(": not immutable, so ")] };
    expect(await verify()).toEqual(good);
    expect(await verify(true)).toEqual(good);
  });

  it("names what is missing, and what has other bytes", async () => {
    await publisher.all();
    draft().assets = draft().assets.filter(({ name }) => name !== "vmlinux-amd64.elf");
    draft().assets.find(({ name }) => name === CODEX)!.bytes = Buffer.from("swapped");
    const { problems } = await verify();
    expect(problems).toEqual([
      "vmlinux-amd64.elf: missing",
      `${CODEX}: 7 bytes, but ${bytesOf(CODEX).length} are recorded`,
      `${CODEX}: sha256 ${sha256("swapped")}, but ${sha256(bytesOf(CODEX))} is recorded`,
    ]);
  });

  it.each([
    ["the sums", "SHA256SUMS"],
    ["an inventory", "codex-amd64-ubuntu-rootfs.cdx.json"],
    ["the manifest", "manifest.json"],
  ])(
    "names %s where they are others than were recorded, also behind the digest that GitHub tells",
    async (_, name) => {
      await publisher.all();
      const held = draft().assets.find((asset) => asset.name === name)!;
      held.told = held.bytes;
      held.bytes = Buffer.from(`${held.bytes}\n`);
      expect((await verify(true)).problems).toContainEqual(
        expect.stringMatching(new RegExp(`^${name}: sha256 `)),
      );
      held.told = held.bytes;
      expect((await verify()).problems).toContainEqual(
        expect.stringMatching(new RegExp(`^${name}: sha256 `)),
      );
    },
  );

  it("names an asset that nobody recorded", async () => {
    await publisher.all();
    server.github.addAsset(draft(), "extra.zst", "x");
    expect((await verify()).problems).toEqual(["extra.zst: on the release, but not recorded as published"]);
  });

  it("with --download believes the bytes, not the digest that GitHub tells", async () => {
    await publisher.all();
    const held = draft().assets.find(({ name }) => name === CODEX)!;
    held.told = held.bytes;
    held.bytes = Buffer.from(bytesOf(CODEX).toUpperCase());
    expect((await verify()).problems).toEqual([]);
    expect((await verify(true)).problems).toEqual([
      `${CODEX}: sha256 ${sha256(bytesOf(CODEX).toUpperCase())}, but ${sha256(bytesOf(CODEX))} is recorded`,
    ]);
  });

  it("says that a draft is one, and that a manifest is of another tag", async () => {
    const release = await publisher.prepare();
    await publisher.upload(release);
    await publisher.publish(release, false);
    expect((await verify()).problems).toEqual([`${cells.tag}: still a draft`]);
    await expect(
      verifyRelease(
        { store: publisher.store(), tag: "images-v9", manifest: manifest(), download: false },
        silentRun(),
      ),
    ).rejects.toThrow(`out/manifest.json is for ${cells.tag}, not for images-v9`);
  });
});

describe("prune", () => {
  const tags = () => server.github.releases.map(({ tag, draft }) => `${tag}${draft ? " draft" : ""}`).sort();
  const run = (keep: number, dryRun = false) =>
    prune(
      { store: publisher.store(), keep, tag: "images-v0.0.15", inUse: "images-v0.0.11", dryRun },
      silentRun(),
    );
  beforeEach(() => {
    for (const tag of [
      "images-v0.0.9",
      "images-v0.0.10",
      "images-v0.0.11",
      "images-v0.0.13",
      "images-v0.0.14",
    ]) {
      server.github.addRelease(tag, { draft: false });
    }
    for (const tag of ["images-v0.0.12", "images-v0.0.15", "images-v0.0.16", "v1.2.3"])
      server.github.addRelease(tag);
    server.github.addRelease("v1.2.2", { draft: false });
  });

  it("removes old drafts and superseded releases, and nothing that is in use, newer, or of something else", async () => {
    const removed = (await run(1)).map(({ tag }) => tag);
    expect(removed).toEqual(["images-v0.0.13", "images-v0.0.12", "images-v0.0.10", "images-v0.0.9"]);
    expect(tags()).toEqual(
      [
        "images-v0.0.11",
        "images-v0.0.14",
        "images-v0.0.15 draft",
        "images-v0.0.16 draft",
        "v1.2.2",
        "v1.2.3 draft",
      ].sort(),
    );
  });

  it("with --dry-run says the same, and removes nothing", async () => {
    const before = tags();
    expect((await run(1, true)).map(({ tag }) => tag)).toEqual((await run(1, true)).map(({ tag }) => tag));
    expect(tags()).toEqual(before);
    expect(server.requests.filter((request) => request.startsWith("DELETE"))).toEqual([]);
  });

  it("keeps as many published ones as it is told", async () => {
    expect((await run(10)).map(({ tag }) => tag)).toEqual(["images-v0.0.12"]);
  });
});

describe("propose", () => {
  const proposal = (text = "{}\n") => ({
    ...{ branch: "recorded/x", title: "Record", body: "Because." },
    files: { "images.lock.json": text },
  });
  const client = () => publisher.client();

  it("opens one pull request, and brings it up to date when it is run again", async () => {
    const url = await propose(client(), proposal());
    expect(url).toBe("https://github.com/example/images/pull/1");
    expect(await propose(client(), proposal("newer"))).toBe(url);
    expect(server.github.pulls).toHaveLength(1);
    expect(server.github.branches.get("recorded/x")).toEqual({ "images.lock.json": "newer" });
  });

  it("proposes nothing that is there already", async () => {
    server.github.branches.set("main", proposal().files);
    expect(await propose(client(), proposal())).toBeUndefined();
    expect(server.github.pulls).toEqual([]);
  });

  it("finds the one whose opening was not answered", async () => {
    server.faults.add({ on: "create-pull", failure: { kind: "reset", when: "after" } });
    expect(await propose(client(), proposal())).toBe("https://github.com/example/images/pull/1");
    expect(server.github.pulls).toHaveLength(1);
  });

  it("says which permission and which setting is missing", async () => {
    server.github.pullsAllowed = false;
    await expect(propose(client(), proposal())).rejects.toThrow(
      /^the token may not open a pull request .*`permissions: \{ pull-requests: write \}`, and the repository's settings must let Actions create them$/,
    );
    // The branch is there: a person opens the rest by hand.
    expect(server.github.branches.has("recorded/x")).toBe(true);
  });
});

describe("a directory as a release", () => {
  const target = () => new DirectoryReleases(join(tempDirectory(), cells.tag), cells.tag, silentRun());

  it("takes the same verbs: prepare, upload, publish, verify", async () => {
    const store = target();
    const release = await store.prepare();
    for (const cell of cells.cells)
      await uploadCell({ cells, staged: publisher.staged, store, release }, cell, silentRun());
    const { problems } = await publish(
      { ...{ cells, staged: publisher.staged, store, release, final: true }, record: async () => {} },
      silentRun(),
    );
    expect(problems).toEqual([]);
    const text = readFileSync(join(release.id, "manifest.json"), "utf8");
    const verified = await verifyRelease(
      { ...{ store, tag: cells.tag, download: true }, manifest: { text, path: "manifest.json" } },
      silentRun(),
    );
    expect(verified).toEqual({ files: 8, problems: [], warnings: [] });
    // What `cell` leaves beside an asset is there as well.
    expect(JSON.parse(readFileSync(join(release.id, `${CODEX}.json`), "utf8")).id).toBe(codex.id);
  });

  it("refuses other bytes under the name, and a second time sends nothing", async () => {
    const store = target();
    const release = await store.prepare();
    const upload = () => uploadCell({ cells, staged: publisher.staged, store, release }, codex, silentRun());
    expect((await upload())[0]?.sent).toBe("sent");
    expect((await upload())[0]?.sent).toBe("there");
    const facts = JSON.parse(readFileSync(join(release.id, `${CODEX}.json`), "utf8"));
    writeFileSync(join(release.id, `${CODEX}.json`), JSON.stringify({ ...facts, sha256: "0".repeat(64) }));
    await expect(upload()).rejects.toThrow(/with other bytes/);
  });
});
