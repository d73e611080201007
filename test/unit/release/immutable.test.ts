import { afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { parseTrustedRoot, type TrustedRoot } from "../../../pipeline/attestation/trusted-root.ts";
import { verifyRelease } from "../../../pipeline/release/verify.ts";
import { manifestOf, manifestText } from "../../../pipeline/schema/manifest.ts";
import {
  type AttestedSubject,
  attestRelease,
  releaseSubjects,
} from "../../support/github/release-attestation.ts";
import { GitHubServer } from "../../support/github/server.ts";
import { Publisher } from "../../support/github/staging.ts";
import { OwnSigstore, type Unusual } from "../../support/sigstore.ts";
import { silentRun } from "../../support/silent.ts";
import { sampleCells } from "../../support/tree.ts";

const all = sampleCells();
const IDS = ["kernel-amd64", "base-amd64-ubuntu", "codex-amd64-ubuntu"];
const cells = { ...all, cells: all.cells.filter(({ id }) => IDS.includes(id)) };
const { tag } = cells;
const CODEX = "codex-amd64-ubuntu-rootfs.ext4.zst";
const COMMIT = "5".repeat(40);

let sigstore: OwnSigstore;
let root: TrustedRoot;
let server: GitHubServer;
let publisher: Publisher;
beforeAll(async () => {
  sigstore = await OwnSigstore.create({ logs: false });
  root = parseTrustedRoot(sigstore.trustedRoot(), "GitHub's root");
});
beforeEach(async () => {
  server = await GitHubServer.start();
  publisher = Publisher.staged(server, cells);
  server.github.immutable = true;
  server.github.tags.set(tag, COMMIT);
  await publisher.all();
});
afterEach(() => server.stop());

const verify = (options: { requireImmutable?: boolean; root?: TrustedRoot | undefined } = { root }) => {
  const manifest = { text: manifestText(manifestOf(cells, publisher.recorded)), path: "out/manifest.json" };
  const store = publisher.store();
  return verifyRelease({ store, tag, manifest, download: false, ...options }, silentRun());
};
const release = () => server.github.releases.find((each) => each.tag === tag)!;
const subjects = () => releaseSubjects(release(), COMMIT);

interface Said extends Unusual {
  readonly subject?: readonly AttestedSubject[];
  readonly predicate?: object;
  readonly inline?: boolean;
  /** @default GitHub's */
  readonly by?: OwnSigstore;
}

/** What GitHub attests when it publishes an immutable release. */
async function attest(said: Said = {}) {
  const { subject = subjects(), predicate, inline = false, by = sigstore, ...unusual } = said;
  const bundle = await attestRelease(
    by,
    subject,
    { repository: "example/images", tag, ...predicate },
    unusual,
  );
  server.github.attestations.push({ digest: `sha1:${COMMIT}`, bundle, inline });
}

it.each([[false], [true]])(
  "an immutable release that GitHub has attested is as it should be (told in the list: %s)",
  async (inline) => {
    await attest({ inline });
    expect(await verify()).toEqual({ files: 9, problems: [], warnings: [] });
    const asked = server.requests.filter((each) => /attestations|bundles|ref\/tags/.test(each));
    expect(asked).toEqual([
      `GET /repos/example/images/git/ref/tags%2F${tag}`,
      `GET /repos/example/images/attestations/sha1%3A${COMMIT}`,
      ...(inline ? [] : ["GET /bundles/0"]),
    ]);
  },
);

it("the first version of the predicate is known", async () => {
  await attest({ predicateType: "https://in-toto.io/attestation/release/v0.1" });
  expect(await verify()).toEqual({ files: 9, problems: [], warnings: [] });
});

it("attestations of other tags on the same commit are none of this one", async () => {
  await attest({ predicate: { tag: "v1" } });
  await attest();
  expect(await verify()).toEqual({ files: 9, problems: [], warnings: [] });
});

it("without GitHub's keys, what it says is compared, and a warning says that its signature was not verified", async () => {
  await attest({ by: await OwnSigstore.create({ logs: false }) });
  const { problems, warnings } = await verify({});
  expect(problems).toEqual([]);
  expect(warnings).toEqual([
    `${tag}: the signature of GitHub's attestation was not verified, only what it says; \`gh attestation trusted-root > ` +
      "trusted_root.jsonl` prints GitHub's keys for --trusted-root trusted_root.jsonl",
  ]);
  server.github.attestations.length = 0;
  await attest({ predicate: { repository: "evil/images" } });
  expect((await verify({})).problems).toHaveLength(1);
});

it("a release that is not immutable is a warning, or with requireImmutable a problem", async () => {
  server.github.immutable = false;
  const line =
    `${tag}: not immutable, so its assets and its tag can still be replaced; switch on "Enable release immutability" in ` +
    "the repository's settings before the next release";
  expect(await verify()).toEqual({ files: 9, problems: [], warnings: [line] });
  expect(await verify({ requireImmutable: true })).toEqual({ files: 9, problems: [line], warnings: [] });
  expect(server.requests.join()).not.toContain("attestations");
});

it("a draft is only one", async () => {
  release().draft = true;
  expect(await verify({ requireImmutable: true })).toEqual({
    ...{ files: 9, problems: [`${tag}: still a draft`], warnings: [] },
  });
});

const replaced = (name: string, digest: Record<string, string>) =>
  subjects().map((each) => (each.name === name ? { ...each, digest } : each));
it.each<[what: string, said: () => Said | undefined, problem: string | RegExp]>([
  [
    "no attestation",
    () => undefined,
    `immutable, but GitHub has no attestation of it (for ${COMMIT}, where its tag is)`,
  ],
  [
    "other bytes",
    () => ({ subject: replaced(CODEX, { sha256: "a".repeat(64) }) }),
    new RegExp(
      `^GitHub's attestation differs: its sha256 of ${CODEX} is a{64}, and the release has [0-9a-f]{64}$`,
    ),
  ],
  [
    "no bytes of an asset",
    () => ({ subject: subjects().filter(({ name }) => name !== CODEX) }),
    new RegExp(
      `^GitHub's attestation differs: its sha256 of ${CODEX} is not said, and the release has [0-9a-f]{64}$`,
    ),
  ],
  [
    "an asset that is not there",
    () => ({ subject: [...subjects(), { name: "x", digest: { sha256: "a".repeat(64) } }] }),
    "GitHub's attestation differs: it names x, which the release does not have",
  ],
  [
    "an asset twice",
    () => ({ subject: [{ name: CODEX, digest: { sha256: "a".repeat(64) } }, ...subjects()] }),
    "GitHub's attestation differs: it names an asset twice",
  ],
  [
    "another tag",
    () => ({ predicate: { tag: "images-v9" } }),
    `GitHub has 0 attestations of this tag for ${COMMIT}, expected one`,
  ],
  [
    "another repository",
    () => ({ predicate: { repository: "evil/images" } }),
    "GitHub's attestation differs: its repository is evil/images, not example/images",
  ],
  [
    "another commit",
    () => ({
      subject: [
        { uri: "pkg:github/example/images", digest: { sha1: "6".repeat(40) } },
        ...subjects().slice(1),
      ],
    }),
    `GitHub's attestation differs: its commit is ${"6".repeat(40)}, and the tag is on ${COMMIT}`,
  ],
  [
    "no commit",
    () => ({ subject: subjects().slice(1) }),
    `GitHub's attestation differs: its commit is not said, and the tag is on ${COMMIT}`,
  ],
  [
    "two commits",
    () => ({ subject: [...subjects(), { uri: "pkg:github/x/x", digest: { sha1: "6".repeat(40) } }] }),
    `GitHub's attestation differs: its commit is ${COMMIT}, ${"6".repeat(40)}, and the tag is on ${COMMIT}`,
  ],
  [
    "another predicate",
    () => ({ predicateType: "https://slsa.dev/provenance/v1" }),
    /^the attestation of \S+ is not valid: it is https:\/\/slsa\.dev\/provenance\/v1, expected /,
  ],
  ["no tag", () => ({ predicate: { tag: undefined } }), /is not valid: it has no repository or no tag$/],
  [
    "another signer",
    () => ({ subjectAltName: "https://dotcom.releases.github.com.evil.example" }),
    /is not valid: https:\/\/dotcom\.releases\.github\.com\.evil\.example has signed it, expected https:\/\/dotcom\.releases\.github\.com$/,
  ],
])("an attestation of %s is a problem", async (_, said, problem) => {
  const unusual = said();
  if (unusual) await attest(unusual);
  const { problems, warnings } = await verify();
  expect(warnings).toEqual([]);
  expect(problems).toEqual([typeof problem === "string" ? `${tag}: ${problem}` : expect.any(String)]);
  expect(problems[0]!.slice(`${tag}: `.length)).toMatch(problem);
});

it("two attestations of the tag are a problem", async () => {
  await attest();
  await attest();
  expect((await verify()).problems).toEqual([
    `${tag}: GitHub has 2 attestations of this tag for ${COMMIT}, expected one`,
  ]);
});

it("the signature must be of GitHub's own sigstore, and not of the public one", async () => {
  const open = await OwnSigstore.create();
  await attest({ by: open });
  const both = parseTrustedRoot(`${open.trustedRoot()}\n${sigstore.trustedRoot()}`, "both");
  const nobody = `${tag}: the attestation of ${tag} is not valid: no authority of`;
  expect((await verify({ root: both })).problems).toEqual([`${nobody} both has issued its certificate`]);
  expect((await verify()).problems).toEqual([`${nobody} GitHub's root has issued its certificate`]);
});

it("a bundle that is not packed as GitHub does, or too large, is an error without its address", async () => {
  server.github.attestations.push({ digest: `sha1:${COMMIT}`, bundle: "x".repeat((2 << 20) + 1) });
  await expect(verify()).rejects.toMatchObject({
    code: "github-unavailable",
    message: expect.not.stringContaining("secret"),
    problem: expect.stringMatching(
      /^GitHub's attestation cannot be read from 127\.0\.0\.1:\d+ \(it is not compressed with snappy, or too large\)$/,
    ),
  });
});
