import type { Bundle } from "@sigstore/bundle";
import { beforeAll, describe, expect, it } from "vitest";
import { LARGEST_BUNDLE } from "../../../pipeline/attestation/bundle.ts";
import { releaseSigner, type Signer } from "../../../pipeline/attestation/signer.ts";
import { parseTrustedRoot, type TrustedRoot } from "../../../pipeline/attestation/trusted-root.ts";
import { verifyProvenance } from "../../../pipeline/attestation/verify.ts";
import { PipelineError } from "../../../pipeline/util/error.ts";
import { OwnSigstore, type Unusual } from "../../support/sigstore.ts";

const SUBJECT = { name: "codex-amd64-ubuntu-rootfs.ext4.zst", sha256: "a".repeat(64) };
const COMMIT = "c".repeat(40);
const SIGNER: Signer = releaseSigner("example/images", { commit: COMMIT, run: 42 });
const HOME = "https://github.com/example/images";
const WORKFLOW = `${HOME}/.github/workflows/build-published-images.yml`;

let ours: OwnSigstore;
let root: TrustedRoot;
beforeAll(async () => {
  ours = await OwnSigstore.create();
  root = parseTrustedRoot(ours.trustedRoot(), "the test's root");
});

/** The error of a bundle; fails if it is accepted. */
function refusal(bundle: string, { subject = SUBJECT, signer = SIGNER, from = root } = {}): string {
  try {
    verifyProvenance(bundle, subject, signer, from);
  } catch (error) {
    expect(error).toBeInstanceOf(PipelineError);
    expect(error).toMatchObject({ code: "not-attested" });
    const { message } = error as PipelineError;
    expect(message).not.toContain("\n");
    const start = `the attestation of ${subject.name} is not valid: `;
    expect(message.slice(0, start.length)).toBe(start);
    return message.slice(start.length);
  }
  throw new Error("the bundle was accepted");
}

const accept = (bundle: string, { subject = SUBJECT, signer = SIGNER, from = root } = {}) =>
  expect(() => verifyProvenance(bundle, subject, signer, from)).not.toThrow();

it("what the release's workflow has attested is accepted", async () => {
  const bundle = await ours.attest([SUBJECT], SIGNER);
  accept(bundle);
  accept(bundle, { signer: { repository: "example/images", workflow: SIGNER.workflow } });
});

it("one attestation of many files is accepted for each of them", async () => {
  const other = { name: "manifest.json", sha256: "b".repeat(64) };
  const bundle = await ours.attest([SUBJECT, other], SIGNER);
  accept(bundle);
  accept(bundle, { subject: other });
  const mixed = { name: SUBJECT.name, sha256: other.sha256 };
  expect(refusal(bundle, { subject: mixed })).toMatch(/^it is of other bytes: /);
});

it("a later attempt of the same run is accepted", async () => {
  accept(await ours.attest([SUBJECT], SIGNER, { extensions: { 21: `${HOME}/actions/runs/42/attempts/17` } }));
});

it("without logs in the root, as on GitHub's own instance, a timestamp is enough, and is needed", async () => {
  const clock = await OwnSigstore.create({ logs: false });
  const from = parseTrustedRoot(clock.trustedRoot(), "GitHub's root");
  accept(await clock.attest([SUBJECT], SIGNER), { from });
  const without = await clock.attest([SUBJECT], SIGNER, {
    change: (bundle) => {
      bundle.verificationMaterial.timestampVerificationData = { rfc3161Timestamps: [] };
    },
  });
  expect(refusal(without, { from })).toBe(
    "the time of its signature is not certain (expected 1 timestamps, got 0)",
  );
  // The public instance's rules apply to its certificates, whatever else the root has.
  const both = parseTrustedRoot(`${clock.trustedRoot()}\n${ours.trustedRoot()}\n`, "both");
  accept(await clock.attest([SUBJECT], SIGNER), { from: both });
  accept(await ours.attest([SUBJECT], SIGNER), { from: both });
});

describe("the certificate must be of the workflow", () => {
  const elsewhere = { 12: "https://github.com/example/images2" };
  it.each<[what: string, made: Partial<Signer>, unusual: Unusual, message: string]>([
    [
      "another repository",
      { repository: "evil/images" },
      {},
      `the repository is https://github.com/evil/images, expected ${HOME}`,
    ],
    [
      "a repository that begins alike",
      {},
      { extensions: elsewhere },
      `the repository is ${HOME}2, expected ${HOME}`,
    ],
    [
      "another workflow",
      { workflow: ".github/workflows/x.yml" },
      {},
      `the workflow is ${HOME}/.github/workflows/x.yml@refs/heads/main, expected ${WORKFLOW}@refs/heads/main`,
    ],
    [
      "a workflow whose name matches as a pattern",
      { workflow: SIGNER.workflow.replace(".yml", "xyml") },
      {},
      `the workflow is ${WORKFLOW.replace(".yml", "xyml")}@refs/heads/main, expected ${WORKFLOW}@refs/heads/main`,
    ],
    [
      "another subject alternative name",
      {},
      { subjectAltName: `${WORKFLOW}@refs/heads/main2` },
      `the workflow is ${WORKFLOW}@refs/heads/main2, expected ${WORKFLOW}@refs/heads/main`,
    ],
    ["another branch", { ref: "refs/heads/dev" }, {}, "the ref is refs/heads/dev, expected refs/heads/main"],
    [
      "a tag named as the branch",
      { ref: "refs/tags/main" },
      {},
      "the ref is refs/tags/main, expected refs/heads/main",
    ],
    ["another commit", { commit: "d".repeat(40) }, {}, `the commit is ${"d".repeat(40)}, expected ${COMMIT}`],
    [
      "another commit of the workflow",
      {},
      { extensions: { 10: "d".repeat(40) } },
      `the commit of the workflow is ${"d".repeat(40)}, expected ${COMMIT}`,
    ],
    [
      "another run",
      { run: 421 },
      {},
      `the run is ${HOME}/actions/runs/421/attempts/1, expected ${HOME}/actions/runs/42/attempts/1`,
    ],
    [
      "a run of another repository",
      {},
      { extensions: { 21: "https://github.com/evil/images/actions/runs/42/attempts/1" } },
      `the run is https://github.com/evil/images/actions/runs/42/attempts/1, expected ${HOME}/actions/runs/42/attempts/1`,
    ],
    [
      "no attempt",
      {},
      { extensions: { 21: `${HOME}/actions/runs/42/attempts/1x` } },
      `the run is ${HOME}/actions/runs/42/attempts/1x, expected ${HOME}/actions/runs/42/attempts/1`,
    ],
    ...["", "/attempts/", "/attempts/0", "/attempts/NaN", "/attempts/1/attempts/1"].map(
      (rest): [string, Partial<Signer>, Unusual, string] => [
        `a run that ends in "${rest}"`,
        {},
        { extensions: { 21: `${HOME}/actions/runs/42${rest}` } },
        `the run is ${HOME}/actions/runs/42${rest}, expected ${HOME}/actions/runs/42/attempts/1`,
      ],
    ),
    [
      "no run",
      {},
      { extensions: { 21: undefined } },
      `the run is not said, expected ${HOME}/actions/runs/42/attempts/1`,
    ],
    [
      "another event",
      { trigger: "pull_request_target" },
      {},
      "the event is pull_request_target, expected workflow_dispatch",
    ],
    [
      "a runner of its own",
      {},
      { extensions: { 11: "self-hosted" } },
      "the runner is self-hosted, expected github-hosted",
    ],
    [
      "another issuer",
      {},
      { extensions: { 8: "https://accounts.example" } },
      "the issuer of the identity is https://accounts.example, expected https://token.actions.githubusercontent.com",
    ],
    [
      "a workflow that another one calls",
      {},
      { extensions: { 18: `${HOME}/.github/workflows/x.yml@refs/heads/main` } },
      `the workflow that was started is ${HOME}/.github/workflows/x.yml@refs/heads/main, expected ${WORKFLOW}@refs/heads/main`,
    ],
    [
      "another workflow that signs",
      {},
      { extensions: { 9: `${HOME}/x@refs/heads/main` } },
      `the workflow that signs is ${HOME}/x@refs/heads/main, expected ${WORKFLOW}@refs/heads/main`,
    ],
    ["two repositories", {}, { again: elsewhere }, `the repository is not said, expected ${HOME}`],
    ["no repository", {}, { extensions: { 12: undefined } }, `the repository is not said, expected ${HOME}`],
  ])("%s", async (_, made, unusual, message) => {
    expect(refusal(await ours.attest([SUBJECT], { ...SIGNER, ...made }, unusual))).toBe(message);
  });

  it("without a ref that is expected, all of them agree on one", async () => {
    const signer = { repository: "example/images", workflow: SIGNER.workflow };
    const bundle = await ours.attest([SUBJECT], { ...SIGNER, ref: "refs/heads/dev" });
    accept(bundle, { signer });
    const unusual = { subjectAltName: `${WORKFLOW}@refs/heads/main` };
    const mixed = await ours.attest([SUBJECT], { ...SIGNER, ref: "refs/heads/dev" }, unusual);
    expect(refusal(mixed, { signer })).toBe(
      `the workflow is ${WORKFLOW}@refs/heads/main, expected ${WORKFLOW}@refs/heads/dev`,
    );
  });
});

describe("the statement must be provenance of the file", () => {
  const digest = { sha256: SUBJECT.sha256 };
  const subject = [{ name: SUBJECT.name, digest }];
  const predicateType = "https://slsa.dev/provenance/v1";
  it.each<[what: string, unusual: Unusual, message: string | RegExp]>([
    [
      "another predicate",
      { predicateType: "https://cyclonedx.org/bom" },
      `it is https://cyclonedx.org/bom, expected ${predicateType}`,
    ],
    [
      "an older statement",
      { statement: { _type: "https://in-toto.io/Statement/v0.1", subject, predicateType, predicate: {} } },
      /^it has no in-toto statement of version 1 \(_type: /,
    ],
    [
      "no subject",
      { statement: { _type: "https://in-toto.io/Statement/v1", subject: [], predicateType, predicate: {} } },
      /^it has no in-toto statement of version 1 \(subject: /,
    ],
    ["no JSON", { statement: "::error::x" }, /^it has no in-toto statement of version 1 \(it is not JSON: /],
    [
      "another payload",
      { payloadType: "text/plain" },
      "its statement is text/plain, expected application/vnd.in-toto+json",
    ],
    [
      "a digest of another kind",
      {
        statement: {
          _type: "https://in-toto.io/Statement/v1",
          subject: [{ name: SUBJECT.name, digest: { sha512: SUBJECT.sha256 } }],
          predicateType,
          predicate: {},
        },
      },
      `it is of other bytes: sha256 not said, and the file has ${SUBJECT.sha256}`,
    ],
  ])("%s", async (_, unusual, message) => {
    const found = refusal(await ours.attest([SUBJECT], SIGNER, unusual));
    if (typeof message === "string") expect(found).toBe(message);
    else expect(found).toMatch(message);
  });

  it("other bytes, another name", async () => {
    const bundle = await ours.attest([SUBJECT], SIGNER);
    const sha256 = "b".repeat(64);
    expect(refusal(bundle, { subject: { name: SUBJECT.name, sha256 } })).toBe(
      `it is of other bytes: sha256 ${SUBJECT.sha256}, and the file has ${sha256}`,
    );
    expect(refusal(bundle, { subject: { ...SUBJECT, name: "pi.zst" } })).toBe(`it is of ${SUBJECT.name}`);
    const five = [1, 2, 3, 4, 5].map((each) => ({ ...SUBJECT, name: `${each}`.repeat(200) }));
    expect(refusal(await ours.attest(five, SIGNER))).toBe(
      `it is of ${["1", "2", "3"].map((each) => each.repeat(100)).join(", ")} and 2 more`,
    );
  });
});

describe("the signature must be sigstore's", () => {
  const entryOf = (bundle: Bundle) => bundle.verificationMaterial.tlogEntries[0]!;
  const envelopeOf = (bundle: Bundle) => {
    if (bundle.content.$case !== "dsseEnvelope") throw new Error("it is another bundle");
    return bundle.content.dsseEnvelope;
  };

  it("of this root, and not of another sigstore with the same names", async () => {
    const theirs = await OwnSigstore.create();
    expect(refusal(await theirs.attest([SUBJECT], SIGNER))).toBe(
      "no authority of the test's root has issued its certificate",
    );
  });

  it("by the owner of the certificate", async () => {
    const { certificate } = JSON.parse(await ours.attest([SUBJECT], SIGNER)).verificationMaterial;
    const bundle = JSON.parse(await ours.attest([SUBJECT], { ...SIGNER, repository: "evil/images" }));
    bundle.verificationMaterial.certificate = certificate;
    expect(refusal(JSON.stringify(bundle))).toBe("its signature is wrong (signature verification failed)");
  });

  it.each<[what: string, change: (bundle: Bundle) => void, message: string | RegExp]>([
    [
      "a certificate that was changed after the authority signed it",
      ({ verificationMaterial: { content } }) => {
        if (content.$case !== "certificate") throw new Error("it is another bundle");
        const at = content.certificate.rawBytes.indexOf("example/images");
        content.certificate.rawBytes.write("exampl3", at);
      },
      "its certificate is not valid (no valid certificate path found)",
    ],
    [
      "a key instead of a certificate",
      ({ verificationMaterial }) => {
        verificationMaterial.content = { $case: "publicKey", publicKey: { hint: "x" } };
      },
      "it is signed with a key, and has no certificate",
    ],
    [
      "a changed statement",
      (bundle) => {
        const text = envelopeOf(bundle).payload.toString("utf8");
        envelopeOf(bundle).payload = Buffer.from(text.replace(SUBJECT.sha256, "b".repeat(64)));
      },
      "it is not in the transparency log (DSSE payload hash mismatch)",
    ],
    [
      "a changed signature",
      (bundle) => {
        envelopeOf(bundle).signatures[0]!.sig = Buffer.from("AAAA", "base64");
      },
      "it is not in the transparency log (tlog entry signature mismatch)",
    ],
    [
      "no entry in the log",
      ({ verificationMaterial }) => {
        verificationMaterial.tlogEntries = [];
      },
      "the time of its signature is not certain (expected 1 timestamps, got 0)",
    ],
    [
      "an entry of a time when the certificate was not valid",
      (bundle) => {
        entryOf(bundle).integratedTime = String(Math.floor(Date.now() / 1000) + 3600);
      },
      "its certificate is not valid (certificate is not valid or expired at the specified date)",
    ],
    [
      "a changed time",
      (bundle) => {
        entryOf(bundle).integratedTime = String(Number(entryOf(bundle).integratedTime) + 1);
      },
      "it is not in the transparency log (inclusion promise could not be verified)",
    ],
    [
      "a time that the log has not signed",
      (bundle) => {
        entryOf(bundle).inclusionPromise = undefined as never;
      },
      "the log has not signed the time of its entry",
    ],
    [
      "a signer's name of a checkpoint that is a pattern",
      (bundle) => {
        entryOf(bundle).inclusionProof!.checkpoint!.envelope += "\u2014 (.+)+! AAAAAAA=\n";
      },
      "its entry has an invalid checkpoint",
    ],
    [
      "a changed checkpoint",
      (bundle) => {
        const { checkpoint } = entryOf(bundle).inclusionProof!;
        checkpoint!.envelope = checkpoint!.envelope.replace("\n1\n", "\n2\n");
      },
      "it is not in the transparency log (invalid checkpoint signature)",
    ],
  ])("%s", async (_, change, message) => {
    expect(refusal(await ours.attest([SUBJECT], SIGNER, { change }))).toBe(message);
  });

  it("on a timestamp alone, where the root has a log, is refused", async () => {
    const clock = await OwnSigstore.create({ logs: false });
    const { timestampAuthorities, certificateAuthorities } = JSON.parse(clock.trustedRoot());
    const bundle = await clock.attest([SUBJECT], SIGNER);
    const withLogs = (logs: object) =>
      parseTrustedRoot(
        JSON.stringify({
          ...JSON.parse(ours.trustedRoot()),
          timestampAuthorities,
          certificateAuthorities,
          ...logs,
        }),
        "a root",
      );
    expect(refusal(bundle, { from: withLogs({ ctlogs: [] }) })).toBe(
      "it is not in the transparency log (expected 1 tlog entries, got 0)",
    );
    expect(refusal(bundle, { from: withLogs({ tlogs: [] }) })).toBe(
      "its certificate is not valid (expected 1 SCTs, got 0)",
    );
    accept(bundle, { from: withLogs({ tlogs: [], ctlogs: [] }) });
  });
});

describe("what is no bundle", () => {
  it.each<[text: string, message: RegExp]>([
    ["", /^it is not a sigstore bundle \(it is not JSON: /],
    ["null", /^it is not a sigstore bundle \(/],
    ["5", /^it is not a sigstore bundle \(/],
    ["{}", /^it is not a sigstore bundle \(invalid bundle\)$/],
    [
      '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"tlogEntries":[5]}}',
      /^it is not a sigstore bundle \(/,
    ],
    [" ".repeat(LARGEST_BUNDLE + 1), /^it has 2097153 bytes, and the most is 2097152$/],
  ])("%.20s", (text, message) => {
    expect(refusal(text)).toMatch(message);
  });

  it("a signature of a file's bytes, without a statement", async () => {
    const bundle = JSON.parse(await ours.attest([SUBJECT], SIGNER));
    delete bundle.dsseEnvelope;
    const digest = Buffer.from(SUBJECT.sha256, "hex").toString("base64");
    bundle.messageSignature = { messageDigest: { algorithm: "SHA2_256", digest }, signature: "AAAA" };
    expect(refusal(JSON.stringify(bundle))).toBe("it has no statement");
  });

  it("a certificate that is none", async () => {
    const bundle = JSON.parse(await ours.attest([SUBJECT], SIGNER));
    bundle.verificationMaterial.certificate.rawBytes = "AAAA";
    expect(refusal(JSON.stringify(bundle))).toMatch(/^it cannot be verified \(/);
  });

  it("text of an attestation stays on one line of a message", async () => {
    const evil = { ...SUBJECT, name: "x\n::add-mask::y\u001b[2J" };
    expect(refusal(await ours.attest([evil], SIGNER))).toBe("it is of x\\n::add-mask::y\\u001b[2J");
  });
});
