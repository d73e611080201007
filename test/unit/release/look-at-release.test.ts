import { createHash } from "node:crypto";
import { afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { releaseSigner } from "../../../pipeline/attestation/signer.ts";
import { parseTrustedRoot } from "../../../pipeline/attestation/trusted-root.ts";
import { plan } from "../../../pipeline/plan/plan.ts";
import { lookAtRelease } from "../../../pipeline/release/carry.ts";
import { sbomAsset } from "../../../pipeline/schema/names.ts";
import { provenanceOf } from "../../../pipeline/stores/github/attestations.ts";
import { subjectsOf } from "../../support/attested.ts";
import { GitHubServer } from "../../support/github/server.ts";
import { Publisher } from "../../support/github/staging.ts";
import { OwnSigstore } from "../../support/sigstore.ts";
import { silentRun } from "../../support/silent.ts";
import { sampleCells } from "../../support/tree.ts";

const all = sampleCells();
const IDS = ["kernel-amd64", "base-amd64-ubuntu", "codex-amd64-ubuntu", "pi-amd64-ubuntu"];
const cells = { ...all, cells: all.cells.filter(({ id }) => IDS.includes(id)) };
const CODEX = "codex-amd64-ubuntu-rootfs.ext4.zst";
const SIGNER = releaseSigner("example/images");
const NEXT = { ...cells, tag: "images-v7.0.1" };

let sigstore: OwnSigstore;
let server: GitHubServer;
let publisher: Publisher;
beforeAll(async () => {
  sigstore = await OwnSigstore.create();
});
beforeEach(async () => {
  server = await GitHubServer.start();
  publisher = Publisher.staged(server, cells);
  await publisher.all();
  for (const cell of cells.cells) {
    const bundle = await sigstore.attest(subjectsOf(cell), SIGNER);
    for (const { sha256 } of subjectsOf(cell)) server.github.setProvenance(sha256, [bundle]);
  }
});
afterEach(() => server.stop());

const held = () => server.github.releases.find(({ tag }) => tag === cells.tag)!;
const asset = (name: string) => held().assets.find((each) => each.name === name)!;

/** What a plan of the next tag says after a look at the release: id and reason of each cell that is built. */
async function built(): Promise<Record<string, string>> {
  const root = parseTrustedRoot(sigstore.trustedRoot(), "the test's sigstore");
  const client = publisher.client();
  const last = await lookAtRelease(
    {
      ...{ digests: publisher.recorded!, store: publisher.store(), authority: { signer: SIGNER, root } },
      attestationsOf: (sha256) => provenanceOf(client, sha256),
    },
    silentRun(),
  );
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
  held().assets.splice(held().assets.indexOf(asset(name)), 1);
  expect(await built()).toEqual({ "codex-amd64-ubuntu": `${name}: not on the release ${cells.tag}` });
});

it("an asset with other bytes means that its cell is built", async () => {
  const { sha256, size } = publisher.recorded!.assets[CODEX]!;
  Object.assign(asset(CODEX), { bytes: Buffer.alloc(size) });
  const there = createHash("sha256").update(Buffer.alloc(size)).digest("hex");
  expect(await built()).toEqual({
    "codex-amd64-ubuntu": `${CODEX}: sha256 ${there} on ${cells.tag}, but ${sha256} is recorded`,
  });
});

it("an asset without an attestation means that its cell is built", async () => {
  server.github.setProvenance(publisher.recorded!.assets[CODEX]!.sha256, []);
  expect(await built()).toEqual({ "codex-amd64-ubuntu": `${CODEX}: it is not attested` });
});

it.each(["removed", "a draft again"])("a release that is %s means that every cell is built", async (how) => {
  if (how === "removed") server.github.releases.splice(0);
  else Object.assign(held(), { draft: true });
  const why = (id: string) => {
    const [first] = cells.cells.find((cell) => cell.id === id)!.assets;
    return `${first}: not on the release ${cells.tag}`;
  };
  expect(await built()).toEqual(Object.fromEntries(IDS.map((id) => [id, why(id)])));
});
