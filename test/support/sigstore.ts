import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { type Bundle, bundleToJSON } from "@sigstore/bundle";
import { dsse } from "@sigstore/core";
import { type CA, initializeCA } from "@sigstore/mock/dist/fulcio/ca.js";
import { type CTLog, initializeCTLog } from "@sigstore/mock/dist/fulcio/ctlog.js";
import { initializeTLog, type TLog } from "@sigstore/mock/dist/rekor/tlog.js";
import { initializeTSA, type TSA } from "@sigstore/mock/dist/timestamp/tsa.js";
import { HashAlgorithm, PublicKeyDetails, TrustedRoot } from "@sigstore/protobuf-specs";
import type { Signer } from "../../pipeline/attestation/signer.ts";
import type { Subject } from "../../pipeline/attestation/statement.ts";

/** How an attestation differs from one that actions/attest would make. */
export interface Unusual {
  /** @default SLSA's provenance */
  readonly predicateType?: string;
  readonly predicate?: object;
  /** The whole statement. @default of in-toto v1, with the subjects and the predicate */
  readonly statement?: object | string;
  readonly payloadType?: string;
  /** @default the workflow */
  readonly subjectAltName?: string;
  /** Fulcio's extensions by their last number; undefined for one that is missing. */
  readonly extensions?: Readonly<Record<number, string | undefined>>;
  /** Extensions that are there once more. */
  readonly again?: Readonly<Record<number, string>>;
  /** Changes the bundle after it was signed. */
  readonly change?: (bundle: Bundle) => void;
}

/** What a transparency log answers when it takes an entry (the package has no types for it). */
interface LogEntry {
  readonly body: string;
  readonly integratedTime: number;
  readonly logID: string;
  readonly logIndex: number;
  readonly verification: {
    readonly inclusionProof: Readonly<
      Record<"checkpoint" | "rootHash", string> & Record<"logIndex" | "treeSize", number>
    >;
    readonly signedEntryTimestamp: string;
  };
}

const HOST = "sigstore.example";
const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest();
const keyPair = () => generateKeyPairSync("ec", { namedCurve: "prime256v1" });

/**
 * A sigstore of the test's own: certificate authority, certificate log, transparency log and clock, with keys that are
 * made at run time. It signs what it is asked to, for whoever it is asked to.
 */
export class OwnSigstore {
  readonly #ca: CA;
  readonly #tsa: TSA;
  readonly #logs: { readonly ctlog: CTLog; readonly tlog: TLog } | undefined;
  /** Its authorities are valid from before it signed anything, however long the tests take. */
  readonly #since = new Date(Date.now() - 60_000);

  private constructor(ca: CA, tsa: TSA, logs?: { ctlog: CTLog; tlog: TLog }) {
    this.#ca = ca;
    this.#tsa = tsa;
    this.#logs = logs;
  }

  /** @param logs whether it has logs, as the public instance; GitHub's own has none, and timestamps instead @default true */
  static async create({ logs = true }: { readonly logs?: boolean } = {}): Promise<OwnSigstore> {
    // One moment for all that it signs, soon, when its own certificates are valid: a whole second, as sigstore's library
    // does not read all fractions of one.
    const now = new Date((Math.ceil(Date.now() / 1000) + 1) * 1000);
    const tsa = await initializeTSA(keyPair(), now);
    if (!logs) return new OwnSigstore(await initializeCA(keyPair(), undefined, now), tsa);
    const ctlog = await initializeCTLog(keyPair(), now);
    const tlog = await initializeTLog(`https://${HOST}`, keyPair(), now);
    return new OwnSigstore(await initializeCA(keyPair(), ctlog, now), tsa, { ctlog, tlog });
  }

  /** Its authorities: the JSON of a trusted_root.json. */
  trustedRoot(): string {
    const validFor = { start: this.#since };
    const authority = (...certificates: ArrayBufferView<ArrayBuffer>[]) => ({
      ...{ subject: undefined, uri: `https://${HOST}`, operator: "", validFor },
      certChain: { certificates: certificates.map((each) => ({ rawBytes: bufferOf(each) })) },
    });
    const log = (publicKey: Buffer) => ({
      ...{ baseUrl: `https://${HOST}`, hashAlgorithm: HashAlgorithm.SHA2_256, operator: "" },
      publicKey: {
        ...{ rawBytes: publicKey, validFor, keyDetails: PublicKeyDetails.PKIX_ECDSA_P256_SHA_256 },
      },
      logId: { keyId: sha256(publicKey) },
      checkpointKeyId: undefined,
    });
    const root = TrustedRoot.toJSON({
      mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
      certificateAuthorities: [authority(this.#ca.rootCertificate)],
      timestampAuthorities: [authority(this.#tsa.intCertificate, this.#tsa.rootCertificate)],
      tlogs: this.#logs ? [log(this.#logs.tlog.publicKey)] : [],
      ctlogs: this.#logs ? [log(this.#logs.ctlog.publicKey)] : [],
    });
    return JSON.stringify(root);
  }

  /**
   * Attests subjects as actions/attest does in a run of a workflow.
   * @param signer what is missing is refs/heads/main, a commit of ones, run 1, started by workflow_dispatch
   * @returns the bundle as JSON
   */
  async attest(subjects: readonly Subject[], signer: Signer, unusual: Unusual = {}): Promise<string> {
    const { predicateType = "https://slsa.dev/provenance/v1", predicate = {} } = unusual;
    const {
      payloadType = "application/vnd.in-toto+json",
      statement = {
        _type: "https://in-toto.io/Statement/v1",
        subject: subjects.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
        ...{ predicateType, predicate },
      },
    } = unusual;
    const payload = Buffer.from(typeof statement === "string" ? statement : JSON.stringify(statement));
    const { publicKey, privateKey } = keyPair();
    const signature = sign("sha256", dsse.preAuthEncoding(payloadType, payload), privateKey);
    const { tlogEntries, timestamps } = await this.#witness(payload, signature, publicKey);
    const bundle = {
      mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
      verificationMaterial: {
        content: {
          $case: "certificate",
          certificate: { rawBytes: await this.#certificate(publicKey, signer, unusual) },
        },
        tlogEntries,
        timestampVerificationData: {
          rfc3161Timestamps: timestamps.map((signedTimestamp) => ({ signedTimestamp })),
        },
      },
      content: {
        $case: "dsseEnvelope",
        dsseEnvelope: { payload, payloadType, signatures: [{ keyid: "", sig: signature }] },
      },
    } as Bundle;
    unusual.change?.(bundle);
    return JSON.stringify(bundleToJSON(bundle));
  }

  async #certificate(publicKey: KeyObject, signer: Signer, unusual: Unusual): Promise<Buffer> {
    const { repository, workflow, run = 1, trigger = "workflow_dispatch" } = signer;
    const { ref = "refs/heads/main", commit = "1".repeat(40) } = signer;
    const home = `https://github.com/${repository}`;
    const file = `${home}/${workflow}@${ref}`;
    const claims: Readonly<Record<number, string | undefined>> = {
      8: "https://token.actions.githubusercontent.com",
      ...{ 9: file, 10: commit, 11: "github-hosted", 12: home, 13: commit, 14: ref },
      ...{ 18: file, 19: commit, 20: trigger, 21: `${home}/actions/runs/${run}/attempts/1` },
      ...unusual.extensions,
    };
    const certificate = await this.#ca.issueCertificate({
      publicKey: publicKey.export({ format: "der", type: "spki" }) as Buffer<ArrayBuffer>,
      subjectAltName: unusual.subjectAltName ?? file,
      extensions: [...Object.entries(claims), ...Object.entries(unusual.again ?? {})].flatMap(
        ([last, value]) => (value === undefined ? [] : [{ oid: `1.3.6.1.4.1.57264.1.${last}`, value }]),
      ),
    });
    return bufferOf(certificate);
  }

  /** What proves when it was signed: an entry of the log, or else a timestamp. */
  async #witness(payload: Buffer, signature: Buffer, publicKey: KeyObject) {
    if (!this.#logs) {
      const timestamp = await this.#tsa.timestamp({
        ...{ artifactHash: sha256(signature), hashAlgorithmOID: "2.16.840.1.101.3.4.2.1" },
        ...{ nonce: 1, policyOID: "1.3.6.1.4.1.57264.2" },
      });
      return { tlogEntries: [], timestamps: [bufferOf(timestamp)] };
    }
    const verifier = Buffer.from(publicKey.export({ format: "pem", type: "spki" })).toString("base64");
    const logged = await this.#logs.tlog.log({
      ...{ apiVersion: "0.0.1", kind: "dsse" },
      spec: {
        payloadHash: { algorithm: "sha256", value: sha256(payload).toString("hex") },
        signatures: [{ signature: signature.toString("base64"), verifier }],
      },
    });
    const entry = Object.values(logged as Readonly<Record<string, LogEntry>>)[0]!;
    const { inclusionProof: proof, signedEntryTimestamp } = entry.verification;
    const tlogEntry = {
      logIndex: String(entry.logIndex),
      logId: { keyId: Buffer.from(entry.logID, "hex") },
      kindVersion: { kind: "dsse", version: "0.0.1" },
      integratedTime: String(entry.integratedTime),
      inclusionPromise: { signedEntryTimestamp: Buffer.from(signedEntryTimestamp, "base64") },
      inclusionProof: {
        ...{ logIndex: String(proof.logIndex), treeSize: String(proof.treeSize) },
        ...{ rootHash: Buffer.from(proof.rootHash, "hex"), hashes: [] },
        checkpoint: { envelope: proof.checkpoint },
      },
      canonicalizedBody: Buffer.from(entry.body, "base64"),
    };
    return { tlogEntries: [tlogEntry], timestamps: [] };
  }
}

const bufferOf = (view: ArrayBufferView): Buffer =>
  Buffer.from(view.buffer, view.byteOffset, view.byteLength);
