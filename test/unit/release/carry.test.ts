import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { releaseSigner, type Signer } from "../../../pipeline/attestation/signer.ts";
import { parseTrustedRoot } from "../../../pipeline/attestation/trusted-root.ts";
import { checkCarried, type Source } from "../../../pipeline/release/carry.ts";
import { digestsOf } from "../../../pipeline/release/digests.ts";
import { expectedAssets } from "../../../pipeline/release/expected.ts";
import { publish } from "../../../pipeline/release/publish.ts";
import { uploadCell } from "../../../pipeline/release/upload.ts";
import { verifyRelease } from "../../../pipeline/release/verify.ts";
import { sbomAsset } from "../../../pipeline/schema/names.ts";
import type { RecordedDigests } from "../../../pipeline/schema/recorded-digests.ts";
import { DirectoryReleases } from "../../../pipeline/stores/directory/releases.ts";
import { StagingDirectory } from "../../../pipeline/stores/directory/staging.ts";
import { provenanceOf } from "../../../pipeline/stores/github/attestations.ts";
import { Checked } from "../../../pipeline/stores/github/checked.ts";
import { GitHubError } from "../../../pipeline/stores/github/failure.ts";
import type { StoredRelease } from "../../../pipeline/stores/store.ts";
import { PipelineError } from "../../../pipeline/util/error.ts";
import type { Failure, Operation } from "../../support/github/faults.ts";
import { GitHubServer } from "../../support/github/server.ts";
import { bytesOf, factsOf, Publisher, stage } from "../../support/github/staging.ts";
import { tempDirectory } from "../../support/run.ts";
import { OwnSigstore } from "../../support/sigstore.ts";
import { silentRun } from "../../support/silent.ts";
import { sampleCells } from "../../support/tree.ts";

const all = sampleCells();
const IDS = ["kernel-amd64", "base-amd64-ubuntu", "codex-amd64-ubuntu"];
const cells = { ...all, cells: all.cells.filter(({ id }) => IDS.includes(id)) };
const NEXT = { ...cells, tag: "images-v7.0.1" };
const CODEX = "codex-amd64-ubuntu-rootfs.ext4.zst";
const SBOM = sbomAsset(CODEX);
const FILES = [
  ...new Set(cells.cells.flatMap(({ assets }) => assets.flatMap((asset) => [asset, sbomAsset(asset)]))),
].sort();
const SIGNER = releaseSigner("example/images");
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

let sigstore: OwnSigstore;
let bundle: string;
const attest = (signer: Signer, names: readonly string[] = FILES) =>
  sigstore.attest(
    names.map((name) => ({ name, sha256: sha256(bytesOf(name)) })),
    signer,
  );
beforeAll(async () => {
  sigstore = await OwnSigstore.create();
  bundle = await attest(SIGNER);
});

let server: GitHubServer;
let publisher: Publisher;
let draft: StoredRelease;
beforeEach(async () => {
  server = await GitHubServer.start();
  publisher = Publisher.staged(server, cells);
  await publisher.all();
  for (const name of FILES) server.github.setProvenance(sha256(bytesOf(name)), [bundle]);
  draft = await publisher.store().prepare(NEXT.tag);
  server.requests.length = 0;
});
afterEach(() => server.stop());

const held = (tag: string) => server.github.releases.find((release) => release.tag === tag)!;
const asset = (name: string) => held(cells.tag).assets.find((each) => each.name === name)!;
const writes = () => server.requests.filter((request) => !request.startsWith("GET "));

const check = (options: Partial<Source> = {}) => {
  const client = publisher.client();
  const root = parseTrustedRoot(sigstore.trustedRoot(), "the test's sigstore");
  return checkCarried(
    {
      ...{ digests: publisher.recorded!, store: publisher.store() },
      authority: { signer: SIGNER, root },
      attestationsOf: (digest) => provenanceOf(client, digest),
      ...options,
    },
    silentRun(),
  );
};
const detailsOf = async (options: Partial<Source> = {}): Promise<readonly string[]> => {
  const error = await check(options).then(
    () => undefined,
    (each: unknown) => each,
  );
  expect(error).toBeInstanceOf(PipelineError);
  expect(writes()).toEqual([]);
  return (error as PipelineError).details;
};

describe("carrying over", () => {
  it("copies assets and inventories to the draft, each read once, and leaves the source as it is", async () => {
    const before = server.github.contents(held(cells.tag));
    const done = await (await check()).copyTo(draft);
    expect(done.map(({ name, sent }) => `${name} ${sent}`).sort()).toEqual(
      FILES.map((name) => `${name} sent`),
    );
    expect(server.github.contents(held(NEXT.tag))).toEqual(
      Object.fromEntries(FILES.map((name) => [name, bytesOf(name)])),
    );
    expect(server.github.contents(held(cells.tag))).toEqual(before);
    const downloads = server.requests.filter((request) => /^GET \/\d+$/.test(request));
    expect(downloads).toHaveLength(FILES.length);
    expect(new Set(downloads).size).toBe(FILES.length);
    expect(writes().every((request) => request.startsWith("POST "))).toBe(true);
  });

  it("writes nothing to this machine's disk", async () => {
    const empty = tempDirectory();
    mkdirSync(empty, { recursive: true });
    vi.stubEnv("TMPDIR", empty);
    await (await check()).copyTo(draft);
    vi.unstubAllEnvs();
    expect(readdirSync(empty)).toEqual([]);
  });

  it("again sends nothing", async () => {
    await (await check()).copyTo(draft);
    server.requests.length = 0;
    const again = await (await check()).copyTo(draft);
    expect(new Set(again.map(({ sent }) => sent))).toEqual(new Set(["there"]));
    expect(writes()).toEqual([]);
  });

  it.each<[string, Operation, Failure]>([
    ["a download that breaks off", "download-asset", { kind: "reset", when: "during" }],
    [
      "a download that is refused for a while",
      "download-asset",
      { kind: "status", status: 503, when: "before" },
    ],
    ["an upload that breaks off", "upload-asset", { kind: "reset", when: "during" }],
    ["an upload whose answer is lost", "upload-asset", { kind: "reset", when: "after" }],
    ["an upload that leaves an unfinished asset", "upload-asset", { kind: "starter" }],
  ])("survives %s", async (_, on, failure) => {
    const carriage = await check();
    server.faults.add({ on, failure });
    await carriage.copyTo(draft);
    expect(server.faults.pending).toBe(0);
    expect(server.github.contents(held(NEXT.tag))).toEqual(
      Object.fromEntries(FILES.map((name) => [name, bytesOf(name)])),
    );
  });

  it.each([
    ["the last byte is another", (bytes: string) => `${bytes.slice(0, -1)}#`],
    ["the first byte is another", (bytes: string) => `#${bytes.slice(1)}`],
  ])("never completes an asset with other bytes than GitHub says: %s", async (_, change) => {
    const bytes = bytesOf(CODEX);
    Object.assign(asset(CODEX), { bytes: Buffer.from(change(bytes)), told: Buffer.from(bytes) });
    const carriage = await check();
    await expect(carriage.copyTo(draft)).rejects.toThrow(
      `${CODEX} on example/images on GitHub has sha256 ${sha256(change(bytes))}, but ${sha256(bytes)} is recorded`,
    );
    expect(server.github.contents(held(NEXT.tag))[CODEX]).toBeUndefined();
    // Other bytes stay others: it is not downloaded again.
    const { id } = asset(CODEX);
    expect(server.requests.filter((request) => request === `GET /${id}`)).toHaveLength(1);
  });
});

describe("what is to be carried over is refused, and nothing is written,", () => {
  it("if the release is gone, or a draft again", async () => {
    Object.assign(held(cells.tag), { draft: true });
    const missing = FILES.map((name) => `- ${name}: not on the release ${cells.tag}`);
    expect([...(await detailsOf())].sort()).toEqual(missing);
    server.github.releases.splice(server.github.releases.indexOf(held(cells.tag)), 1);
    expect([...(await detailsOf())].sort()).toEqual(missing);
  });

  it.each([CODEX, SBOM])("if %s has another size or digest, or is unfinished", async (name) => {
    const bytes = bytesOf(name);
    Object.assign(asset(name), { bytes: Buffer.from(`${bytes}!`) });
    expect(await detailsOf()).toEqual([
      `- ${name}: ${bytes.length + 1} bytes on ${cells.tag}, but ${bytes.length} are recorded`,
    ]);
    const other = bytes.replace("t", "T");
    Object.assign(asset(name), { bytes: Buffer.from(other) });
    expect(await detailsOf()).toEqual([
      `- ${name}: sha256 ${sha256(other)} on ${cells.tag}, but ${sha256(bytes)} is recorded`,
    ]);
    Object.assign(asset(name), { bytes: Buffer.from(bytes), state: "starter" });
    expect(await detailsOf()).toEqual([`- ${name}: not on the release ${cells.tag}`]);
  });

  it("if nobody attested it", async () => {
    server.github.setProvenance(sha256(bytesOf(SBOM)), []);
    expect(await detailsOf()).toEqual([`- ${SBOM}: it is not attested`]);
  });

  it.each<[string, Partial<Signer>, RegExp]>([
    ["another workflow", { workflow: ".github/workflows/other.yml" }, /other\.yml/],
    ["another repository", { repository: "example/fork" }, /example\/fork/],
    ["another branch", { ref: "refs/heads/topic" }, /refs\/heads\/topic/],
  ])("if %s attested it", async (_, other, message) => {
    const foreign = await attest({ ...SIGNER, ...other });
    server.github.setProvenance(sha256(bytesOf(CODEX)), [foreign]);
    const details = await detailsOf();
    expect(details).toHaveLength(1);
    expect(details[0]).toMatch(message);
  });

  it("if the attestation is of a file with another name", async () => {
    const other = { name: "other.ext4.zst", sha256: sha256(bytesOf(CODEX)) };
    server.github.setProvenance(other.sha256, [await sigstore.attest([other], SIGNER)]);
    const details = await detailsOf();
    expect(details).toHaveLength(1);
    expect(details[0]).toContain(CODEX);
  });

  it("but one valid attestation among several is enough", async () => {
    const foreign = await attest({ ...SIGNER, repository: "example/fork" });
    server.github.setProvenance(sha256(bytesOf(CODEX)), [foreign, bundle]);
    await expect(check()).resolves.toBeDefined();
  });
});

describe("a release with assets that are carried over", () => {
  /** The next tag, for which codex has other inputs. */
  const codex = { ...cells.cells.find(({ id }) => id === "codex-amd64-ubuntu")!, inputs: "e".repeat(64) };
  const now = { ...NEXT, cells: [...cells.cells.filter(({ id }) => id !== codex.id), codex] };
  const LATER = { ...now, tag: "images-v7.0.2" };

  /** A staging directory with codex alone, and the release as far as it is before the gate. */
  async function prepared(of: typeof now, last: RecordedDigests, copied = true) {
    const directory = tempDirectory();
    const built = of === now ? [codex] : [];
    stage({ ...of, cells: built }, directory);
    const staged = new StagingDirectory(directory);
    const { carried, problems } = await expectedAssets(of, staged, false, last);
    expect(problems).toEqual([]);
    const store = publisher.store();
    const release = await store.prepare(of.tag);
    for (const cell of built) await uploadCell({ cells: of, staged, store, release }, cell, silentRun());
    if (copied) await (await check({ digests: carried! })).copyTo(release);
    return { cells: of, staged, store, release, final: true, last };
  }
  const published = async (options: Awaited<ReturnType<typeof prepared>>) => {
    let digests: RecordedDigests | undefined;
    const record = async (each: RecordedDigests) => {
      digests = each;
    };
    const { problems } = await publish({ ...options, record }, silentRun());
    return { problems, digests: digests! };
  };
  const originOf = ({ assets }: RecordedDigests) =>
    Object.fromEntries(Object.entries(assets).map(([name, { from }]) => [name, from]));
  const BASE = "base-amd64-rootfs.ext4.zst";
  const [ELF, IMAGE] = ["vmlinux-amd64.elf", "vmlinux-amd64.image"];

  it("is complete, has one manifest, and says where each asset is from, also two releases later", async () => {
    const second = await published(await prepared(now, publisher.recorded!));
    expect(second.problems).toEqual([]);
    expect(originOf(second.digests)).toEqual({
      ...{ [BASE]: cells.tag, [CODEX]: undefined, [ELF!]: cells.tag, [IMAGE!]: cells.tag },
    });
    const contents = server.github.contents(held(now.tag));
    expect(Object.keys(contents).sort()).toEqual([...FILES, "SHA256SUMS", "manifest.json"].sort());
    const manifest = { text: contents["manifest.json"]!, path: "manifest.json" };
    const options = { store: publisher.store(), tag: now.tag, manifest, download: true };
    expect(await verifyRelease(options, silentRun())).toMatchObject({ problems: [] });
    expect(
      JSON.parse(manifest.text).images.map(({ rootfs_url }: { rootfs_url: string }) => rootfs_url),
    ).toEqual(Array(3).fill(`https://github.com/example/images/releases/download/${now.tag}/${CODEX}`));

    const third = await published(await prepared(LATER, second.digests));
    expect(third.problems).toEqual([]);
    expect(originOf(third.digests)).toEqual({
      ...{ [BASE]: cells.tag, [CODEX]: now.tag, [ELF!]: cells.tag, [IMAGE!]: cells.tag },
    });
    // A run that was interrupted after it had recorded the digests is completed.
    const again = await prepared(LATER, third.digests, false).catch((error: unknown) => error);
    expect(again).toBeInstanceOf(PipelineError);
    const release = await publisher.store().find(LATER.tag);
    const staged = new StagingDirectory(tempDirectory());
    const store = publisher.store();
    const rerun = { cells: LATER, staged, store, release: release!, final: true, last: third.digests };
    expect(await published(rerun)).toMatchObject({ problems: [], digests: third.digests });
  });

  it("is not published while something that is carried over is not on it", async () => {
    const { problems } = await published(await prepared(now, publisher.recorded!, false));
    const how = `copied from ${cells.tag} to ${now.tag} by \`npx smolvm-images release publish --carry\``;
    expect([...problems].sort()).toEqual(
      FILES.filter((name) => name !== CODEX && name !== SBOM).map(
        (name) => `${name}: not on the release (${how})`,
      ),
    );
    expect(held(now.tag).draft).toBe(true);
  });

  it("has nothing that was made from other inputs, and without an earlier release nothing is carried over", async () => {
    const staged = new StagingDirectory(tempDirectory());
    const { carried, problems } = await expectedAssets(now, staged, false, publisher.recorded);
    expect(Object.keys(carried!.assets).sort()).toEqual([BASE, ELF, IMAGE].sort());
    expect(problems).toEqual([expect.stringContaining(`${CODEX}: not staged in `)]);
    const without = await expectedAssets(now, staged);
    expect([without.carried, without.problems.length]).toEqual([undefined, 4]);
  });
});

describe("the check of a stream", () => {
  const bytes = "0123456789";
  const expected = { name: "a.zst", size: bytes.length, sha256: sha256(bytes) };
  /** What arrives of these pieces, and the error at the end. */
  async function passed(...pieces: string[]): Promise<{ text: string; error?: unknown }> {
    const checked = new Checked(expected, "GitHub");
    let text = "";
    checked.on("data", (chunk: Buffer) => {
      text += chunk;
    });
    const ended = new Promise<unknown>((resolve) => {
      checked.once("error", resolve);
      checked.once("end", () => resolve(undefined));
    });
    for (const piece of pieces) checked.write(piece);
    checked.end();
    const error = await ended;
    return error === undefined ? { text } : { text, error };
  }

  it("passes on the expected bytes, in any pieces", async () => {
    expect(await passed("0123456789")).toEqual({ text: bytes });
    expect(await passed("0", "123", "", "456789")).toEqual({ text: bytes });
  });

  it.each<[string, string[], RegExp]>([
    ["others", ["01234", "5678x"], /sha256 [0-9a-f]{64}, but/],
    ["more, after all that was expected", ["01234", "56789", "!"], /more than the 10 bytes/],
    ["more, at once", ["0123456789!"], /more than the 10 bytes/],
    ["fewer", ["01234", "5678"], /broke off \(9 of 10 bytes\)/],
    ["none", [], /broke off \(0 of 10 bytes\)/],
  ])("never lets as many as expected through if they are %s", async (_, pieces, message) => {
    const { text, error } = await passed(...pieces);
    expect(text.length).toBeLessThan(bytes.length);
    expect((error as Error).message).toMatch(message);
    // A download that broke off can be repeated; other bytes stay others.
    expect(error instanceof GitHubError && error.transient).toBe(/broke off/.test(message.source));
  });
});

it("a directory copies from the directory of the other tag, and hashes what it copies", async () => {
  const parent = tempDirectory();
  const from = join(parent, cells.tag);
  stage(cells, from);
  const store = new DirectoryReleases(join(parent, NEXT.tag), NEXT.tag, silentRun());
  const target = await store.prepare();
  const facts = cells.cells.flatMap((cell) => cell.assets.map((name) => factsOf(cell, name)));
  const digests = digestsOf(cells, { facts });
  const carriage = await check({ store, digests });
  await carriage.copyTo(target);
  expect(readdirSync(join(parent, NEXT.tag)).sort()).toEqual(FILES);
  writeFileSync(join(from, CODEX), bytesOf(CODEX).replace("t", "T"));
  const again = await check({ store, digests });
  await expect(again.copyTo(target)).rejects.toThrow(`but ${sha256(bytesOf(CODEX))} is recorded`);
});
