import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { publish } from "../../../../pipeline/release/publish.ts";
import { page } from "../../../../pipeline/release/report/page.ts";
import { readReport } from "../../../../pipeline/release/report/read.ts";
import { verifyRelease } from "../../../../pipeline/release/verify.ts";
import type { Cells } from "../../../../pipeline/schema/cells.ts";
import { DirectoryReleases } from "../../../../pipeline/stores/directory/releases.ts";
import { StagingDirectory } from "../../../../pipeline/stores/directory/staging.ts";
import { GitHubServer } from "../../../support/github/server.ts";
import { Publisher } from "../../../support/github/staging.ts";
import { type Said, stageContents } from "../../../support/release-contents.ts";
import { tempDirectory } from "../../../support/run.ts";
import { silentRun } from "../../../support/silent.ts";
import { sampleCells } from "../../../support/tree.ts";

const all = sampleCells();
const IDS = ["kernel-amd64", "base-amd64-ubuntu", "codex-amd64-ubuntu"];
const cellsAt = (tag: string): Cells => ({
  ...all,
  tag,
  cells: all.cells.filter(({ id }) => IDS.includes(id)),
});
const said =
  (ms: number) =>
  ({ id }: { readonly id: string }): Said =>
    id === "codex-amd64-ubuntu"
      ? {
          ms,
          packages: [{ type: "npm", name: "@openai/codex", version: "0.169.0" }],
          files: { "usr/bin/node": 118_000_000 },
        }
      : { ms };

let server: GitHubServer;
beforeEach(async () => {
  server = await GitHubServer.start();
});
afterEach(() => server.stop());

/** Publishes a release of each tag with other boot times, and a report. Returns the last one. */
async function published(tags: readonly string[]) {
  let last: { publisher: Publisher; cells: Cells } | undefined;
  for (const [at, tag] of tags.entries()) {
    const cells = cellsAt(tag);
    const directory = tempDirectory();
    stageContents(cells, directory, said(4000 - 100 * at));
    const publisher = new Publisher(server, cells, directory);
    await publisher.all();
    last = { publisher, cells };
  }
  const { publisher, cells } = last!;
  const store = publisher.store("good");
  return { store, cells, release: (await store.find(cells.tag))! };
}

it("is read from what a release records: its manifest, its inventories, and earlier manifests", async () => {
  const { store, cells, release } = await published(["images-v1", "images-v2"]);
  const report = await readReport({ store, release, cells }, silentRun());
  const codex = report.assets.find(({ what }) => what === "codex")!;
  expect(codex).toMatchObject({
    ...{ flavor: "ubuntu", arch: "amd64", boot: { ms: 3900, accel: "tcg" }, from: undefined },
    inventory: {
      packages: [{ type: "npm", name: "@openai/codex", version: "0.169.0", licenses: [] }],
      files: { "usr/bin/node": 118_000_000 },
    },
  });
  expect(report.assets.map(({ what, flavor }) => `${what} ${flavor}`)).toEqual([
    ...["base ubuntu", "codex ubuntu", "kernel null", "kernel null"],
  ]);
  expect(report.history.map(({ tag, assets }) => [tag, assets[codex.name]?.boot?.ms])).toEqual([
    ["images-v1", 4000],
    ["images-v2", 3900],
  ]);
  expect(report.url).toBe(release.url);
});

it("says which assets were carried over", async () => {
  const { store, cells, release } = await published(["images-v2"]);
  const digests = {
    schema_version: 2 as const,
    tag: "images-v2",
    assets: { "codex-amd64-ubuntu-rootfs.ext4.zst": { from: "images-v1" } },
  } as never;
  const report = await readReport({ store, release, cells, digests }, silentRun());
  expect(report.assets.flatMap(({ name, from }) => (from ? [`${name} ${from}`] : []))).toEqual([
    "codex-amd64-ubuntu-rootfs.ext4.zst images-v1",
  ]);
});

it("is a file of the release, replaced on a draft, and accepted by verify and by a repeated publish", async () => {
  const cells = cellsAt("images-v1");
  const directory = tempDirectory();
  stageContents(cells, directory, said(4000));
  const publisher = new Publisher(server, cells, directory);
  const store = publisher.store("good");
  const staged = new StagingDirectory(directory);
  const release = await store.prepare(cells.tag);
  for (const { assets } of cells.cells)
    for (const asset of assets) await store.sendStaged(release, staged, (await staged.facts(asset))!);
  const pages = ["the first page", "the second page"];
  for (const text of pages) {
    const options = { cells, staged, store, release, final: false, record: async () => {} };
    const { problems } = await publish({ ...options, report: async () => text }, silentRun());
    expect(problems).toEqual([]);
  }
  const asset = (await store.assets(release)).find(({ name }) => name === "report.html")!;
  const path = join(directory, "downloaded.html");
  await store.save(
    { name: asset.name, size: asset.size, sha256: await store.digest(asset), from: asset },
    path,
  );
  expect(readFileSync(path, "utf8")).toBe("the second page");
  const manifest = (await store.assets(release)).find(({ name }) => name === "manifest.json")!;
  const text = join(directory, "manifest.downloaded");
  await store.save(
    { name: manifest.name, size: manifest.size, sha256: await store.digest(manifest), from: manifest },
    text,
  );
  const verified = await verifyRelease(
    {
      ...{ store, tag: cells.tag, download: false, requireImmutable: false, root: undefined },
      manifest: { text: readFileSync(text, "utf8"), path: text },
    },
    silentRun(),
  );
  expect(verified.problems).toEqual([`${cells.tag}: still a draft`]);
});

it("of a directory is one of its files, and another's report.html is not", async () => {
  const cells = cellsAt("images-v1");
  const directory = join(tempDirectory(), "images-v1");
  stageContents(cells, directory, said(4000));
  const store = new DirectoryReleases(directory, basename(directory), silentRun());
  const release = (await store.find("images-v1"))!;
  const report = await readReport({ store, release, cells }, silentRun());
  expect(report.url).toBeUndefined();
  writeFileSync(join(directory, "report.html"), page(report));
  const foreign = async () =>
    (await store.assets(release)).filter((each) => each.foreign).map(({ name }) => name);
  expect(await foreign()).toEqual([]);
  writeFileSync(join(directory, "report.html"), "<p>mine</p>");
  expect(await foreign()).toEqual(["report.html"]);
});
