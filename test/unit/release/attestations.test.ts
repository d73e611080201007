import { mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { releaseSigner, type Signer } from "../../../pipeline/attestation/signer.ts";
import { parseTrustedRoot, type TrustedRoot } from "../../../pipeline/attestation/trusted-root.ts";
import { readAttestations, unattested } from "../../../pipeline/release/attestations.ts";
import { releaseManifest } from "../../../pipeline/release/digests.ts";
import type { Cell } from "../../../pipeline/schema/cells.ts";
import { attestAll, manifestSubject, putBundle, subjectsOf } from "../../support/attested.ts";
import { factsOf } from "../../support/github/staging.ts";
import { tempDirectory } from "../../support/run.ts";
import { OwnSigstore } from "../../support/sigstore.ts";
import { sampleCells } from "../../support/tree.ts";

const all = sampleCells();
const IDS = ["kernel-amd64", "base-amd64-ubuntu", "codex-amd64-ubuntu", "pi-amd64-ubuntu"];
const cells = { ...all, cells: all.cells.filter(({ id }) => IDS.includes(id)) };
const cellOf = (id: string): Cell => cells.cells.find((cell) => cell.id === id)!;
const facts = cells.cells.flatMap((cell) => cell.assets.map((asset) => factsOf(cell, asset)));
const PI = "pi-amd64-ubuntu-rootfs.ext4.zst";
const PI_SBOM = "pi-amd64-ubuntu-rootfs.cdx.json";

const signer: Signer = releaseSigner(all.repository, { commit: "c".repeat(40), run: 7 });
let sigstore: OwnSigstore;
let root: TrustedRoot;
beforeAll(async () => {
  sigstore = await OwnSigstore.create();
  root = parseTrustedRoot(sigstore.trustedRoot(), "the test's own");
});

/** The attestations that a run has left. */
let directory: string;
beforeEach(async () => {
  directory = tempDirectory();
  await attestAll(sigstore, cells, directory, signer);
});
const of = (id: string, file = "attestation.json") => join(directory, `attestation-${id}`, file);

/** What stops the publication. */
async function problems(): Promise<readonly string[]> {
  const attestations = await readAttestations(cells, directory);
  return attestations.problems.length > 0
    ? attestations.problems
    : unattested(cells, { facts }, attestations, { signer, root });
}

it("hold for every asset, every inventory and the manifest, also if another attempt of the run signed", async () => {
  expect(await problems()).toEqual([]);
  const extensions = { 21: `https://github.com/${all.repository}/actions/runs/7/attempts/3` };
  const pi = subjectsOf(cellOf("pi-amd64-ubuntu"));
  putBundle(directory, "pi-amd64-ubuntu", await sigstore.attest(pi, signer, { extensions }));
  expect(await problems()).toEqual([]);
});

it("is found where the only one, which is the manifest's, was downloaded without a directory of its name", async () => {
  const bundle = readFileSync(of("manifest"));
  rmSync(directory, { recursive: true });
  mkdirSync(directory);
  writeFileSync(join(directory, "attestation.json"), bundle);
  expect(await readAttestations(cells, directory)).toMatchObject({ problems: [], manifest: String(bundle) });
});

it("of the manifest is of nothing else", async () => {
  const subjects = [manifestSubject(cells), { name: "more", sha256: "a".repeat(64) }];
  putBundle(directory, "manifest", await sigstore.attest(subjects, signer));
  expect(await problems()).toEqual([
    "manifest.json: the attestation of manifest.json is not valid: it is of 2 files, expected manifest.json alone",
  ]);
});

it("are kept as they are for the release", async () => {
  const { manifest } = await readAttestations(cells, directory);
  expect(manifest).toBe(readFileSync(of("manifest"), "utf8"));
});

/** Signs the files of pi, for somebody else or otherwise. */
async function signPi(
  other: Partial<Signer>,
  subjects = subjectsOf(cellOf("pi-amd64-ubuntu")),
): Promise<void> {
  putBundle(directory, "pi-amd64-ubuntu", await sigstore.attest(subjects, { ...signer, ...other }));
}

const HOME = `https://github.com/${all.repository}`;
const NOT_PI = [PI, PI_SBOM];

describe("of the wrong run or file stop the release, with the name of each file:", () => {
  it.each<[string, () => Promise<void> | void, readonly string[], string]>([
    ["another run", () => signPi({ run: 8 }), NOT_PI, `the run is ${HOME}/actions/runs/8`],
    ["another commit", () => signPi({ commit: "d".repeat(40) }), NOT_PI, `the commit is ${"d".repeat(40)}`],
    [
      "another workflow",
      () => signPi({ workflow: ".github/workflows/pull-request.yml" }),
      NOT_PI,
      `the workflow is ${HOME}/.github/workflows/pull-request.yml@refs/heads/main`,
    ],
    [
      "another repository",
      () => signPi({ repository: "mallory/SmolVM" }),
      NOT_PI,
      "the repository is https://github.com/mallory/SmolVM",
    ],
    ["another branch", () => signPi({ ref: "refs/heads/evil" }), NOT_PI, "the ref is refs/heads/evil"],
    ["another event", () => signPi({ trigger: "pull_request" }), NOT_PI, "the event is pull_request"],
    [
      "other bytes",
      () =>
        signPi(
          {},
          subjectsOf(cellOf("pi-amd64-ubuntu")).map(({ name }) => ({ name, sha256: "e".repeat(64) })),
        ),
      NOT_PI,
      `it is of other bytes: sha256 ${"e".repeat(64)}`,
    ],
    [
      "an inventory with other bytes",
      () =>
        signPi(
          {},
          subjectsOf(cellOf("pi-amd64-ubuntu")).map(({ name, sha256 }) => ({
            name,
            sha256: name === PI_SBOM ? "e".repeat(64) : sha256,
          })),
        ),
      [PI_SBOM],
      "it is of other bytes",
    ],
    [
      "another cell, renamed",
      () => putBundle(directory, "pi-amd64-ubuntu", readFileSync(of("codex-amd64-ubuntu"), "utf8")),
      NOT_PI,
      "it is of codex-amd64-ubuntu-rootfs.ext4.zst, codex-amd64-ubuntu-rootfs.cdx.json",
    ],
    [
      "another authority",
      async () => {
        const other = await OwnSigstore.create();
        const bundle = await other.attest(subjectsOf(cellOf("pi-amd64-ubuntu")), signer);
        putBundle(directory, "pi-amd64-ubuntu", bundle);
      },
      NOT_PI,
      "no authority of the test's own has issued its certificate",
    ],
    [
      "what it contains, not of where it comes from",
      async () => {
        const unusual = { predicateType: "https://cyclonedx.org/bom" };
        const bundle = await sigstore.attest(subjectsOf(cellOf("pi-amd64-ubuntu")), signer, unusual);
        putBundle(directory, "pi-amd64-ubuntu", bundle);
      },
      NOT_PI,
      "it is https://cyclonedx.org/bom, expected https://slsa.dev/provenance/v1",
    ],
    [
      "no bundle",
      () => putBundle(directory, "pi-amd64-ubuntu", "not JSON"),
      NOT_PI,
      "it is not a sigstore bundle",
    ],
    [
      "an empty artifact",
      () => rmSync(of("pi-amd64-ubuntu")),
      NOT_PI,
      "not attested (attestation-pi-amd64-ubuntu/attestation.json is missing)",
    ],
    [
      "no artifact",
      () => rmSync(of("pi-amd64-ubuntu", ""), { recursive: true }),
      NOT_PI,
      "not attested (attestation-pi-amd64-ubuntu/attestation.json is missing)",
    ],
    [
      "another manifest",
      async () => {
        const subject = { ...manifestSubject(cells), sha256: "e".repeat(64) };
        putBundle(directory, "manifest", await sigstore.attest([subject], signer));
      },
      ["manifest.json"],
      `it is of other bytes: sha256 ${"e".repeat(64)}`,
    ],
    [
      "no manifest",
      () => rmSync(of("manifest", ""), { recursive: true }),
      ["manifest.json"],
      "not attested (attestation-manifest/attestation.json is missing)",
    ],
  ])("%s", async (_, change, names, why) => {
    await change();
    const found = await problems();
    expect(found.map((line) => line.split(": ")[0])).toEqual(names);
    for (const line of found) expect(line).toContain(why);
  });

  it("a manifest of other facts than those that are published", async () => {
    const changed = facts.map((each) =>
      each.asset === PI ? { ...each, image_size: each.image_size + 1 } : each,
    );
    expect(releaseManifest(cells, { facts: changed })).not.toBe(releaseManifest(cells, { facts }));
    const attestations = await readAttestations(cells, directory);
    expect(unattested(cells, { facts: changed }, attestations, { signer, root })).toEqual([
      expect.stringMatching(
        /^manifest\.json: the attestation of manifest\.json is not valid: it is of other bytes/,
      ),
    ]);
  });
});

describe("that are no bundles are refused by name, and not read:", () => {
  it.each<[string, () => void, string]>([
    [
      "a link",
      () => {
        rmSync(of("pi-amd64-ubuntu"));
        symlinkSync(of("codex-amd64-ubuntu"), of("pi-amd64-ubuntu"));
      },
      "attestation-pi-amd64-ubuntu: attestation.json is not a regular file",
    ],
    [
      "a link to a directory",
      () => {
        rmSync(of("pi-amd64-ubuntu", ""), { recursive: true });
        symlinkSync(of("codex-amd64-ubuntu", ""), of("pi-amd64-ubuntu", "").replace(/\/$/, ""));
      },
      "attestation-pi-amd64-ubuntu: it is not a directory",
    ],
    [
      "a file of 20 MB",
      () => truncateSync(of("pi-amd64-ubuntu"), 20_000_000),
      "attestation-pi-amd64-ubuntu: attestation.json has too many bytes (20000000)",
    ],
    [
      "a file that is not expected",
      () => writeFileSync(of("pi-amd64-ubuntu", "more.json"), "{}"),
      "attestation-pi-amd64-ubuntu: more.json is not a file of an attestation",
    ],
    [
      "an artifact of a cell that is not declared",
      () => mkdirSync(of("evil-amd64-ubuntu", "")),
      "attestation-evil-amd64-ubuntu: it is not the attestation of a published cell",
    ],
    [
      "an artifact of another kind",
      () => mkdirSync(join(directory, "pi-amd64-ubuntu")),
      "pi-amd64-ubuntu: it is not the attestation of a published cell",
    ],
  ])("%s", async (_, change, line) => {
    change();
    expect(await problems()).toEqual([line]);
  });
});

it("says what to do where there are none", async () => {
  rmSync(directory, { recursive: true });
  await expect(problems()).rejects.toThrow(
    /^cannot read .*: download the artifacts `attestation-\*` of the run there$/,
  );
});
