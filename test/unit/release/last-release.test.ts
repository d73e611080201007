import { afterEach, beforeEach, expect, it } from "vitest";
import { plan } from "../../../pipeline/plan/plan.ts";
import { lookAtRelease } from "../../../pipeline/release/last-release.ts";
import { sbomAsset } from "../../../pipeline/schema/names.ts";
import { GitHubServer } from "../../support/github/server.ts";
import { Publisher, stage } from "../../support/github/staging.ts";
import { tempDirectory } from "../../support/run.ts";
import { sampleCells } from "../../support/tree.ts";

const all = sampleCells();
const IDS = ["kernel-amd64", "base-amd64-ubuntu", "codex-amd64-ubuntu", "pi-amd64-ubuntu"];
const cells = { ...all, cells: all.cells.filter(({ id }) => IDS.includes(id)) };
const CODEX = "codex-amd64-ubuntu-rootfs.ext4.zst";
const NEXT = { ...cells, tag: "images-v7.0.1" };

let server: GitHubServer;
let publisher: Publisher;
beforeEach(async () => {
  server = await GitHubServer.start();
  const directory = tempDirectory();
  stage(cells, directory);
  publisher = new Publisher(server, cells, directory);
  await publisher.all();
});
afterEach(() => server.stop());

const held = () => server.github.releases.find(({ tag }) => tag === cells.tag)!;
const reads = (name: string) => held().assets.find((asset) => asset.name === name)!;

/** What a plan of the next tag says after a look at the release: id and reason of each cell that is built. */
async function built(): Promise<Record<string, string>> {
  const last = await lookAtRelease(publisher.recorded!, publisher.store());
  const planned = await plan(NEXT, { facts: async () => undefined }, { last });
  expect(planned).toHaveLength(IDS.length);
  const now = planned.filter(({ action }) => action !== "carry");
  expect(now.filter(({ action }) => action !== "build")).toEqual([]);
  return Object.fromEntries(now.map(({ id, why }) => [id, why]));
}

it("a release that has what was recorded is carried over", async () => {
  expect(await built()).toEqual({});
});

it.each([CODEX, sbomAsset(CODEX)])("a release without %s means that its cell is built", async (name) => {
  held().assets.splice(held().assets.indexOf(reads(name)), 1);
  expect(await built()).toEqual({
    "codex-amd64-ubuntu": `${name} is no longer on the release ${cells.tag}`,
  });
});

it("an asset with other bytes means that its cell is built", async () => {
  Object.assign(reads(CODEX), { bytes: Buffer.from("other bytes") });
  expect(await built()).toEqual({
    "codex-amd64-ubuntu": `${CODEX} on the release ${cells.tag} has other bytes than recorded`,
  });
});

it.each(["removed", "a draft again"])("a release that is %s means that every cell is built", async (how) => {
  if (how === "removed") server.github.releases.splice(0);
  else Object.assign(held(), { draft: true });
  const why = `the release ${cells.tag} is gone`;
  expect(await built()).toEqual(Object.fromEntries(IDS.map((id) => [id, why])));
});
