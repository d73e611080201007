import { X509Certificate } from "node:crypto";
import {
  type Bundle,
  type BundleWithDsseEnvelope,
  bundleFromJSON,
  isBundleWithDsseEnvelope,
} from "@sigstore/bundle";
import { toSignedEntity, VerificationError, Verifier } from "@sigstore/verify";
import { PipelineError } from "../util/error.ts";
import { reasonOf } from "../util/reason.ts";
import type { Identity } from "./certificate.ts";
import { IN_TOTO, Statement } from "./statement.ts";
import type { TrustedRoot } from "./trusted-root.ts";

/**
 * The largest bundle that is read, bytes. One of actions/attest for one file has 12 kB, and its limit of 1024 files makes
 * 300 kB.
 */
export const LARGEST_BUNDLE = 2 << 20;

/** The error that a file's attestation is not valid. */
export const notAttested = (name: string, why: string, cause?: unknown): PipelineError =>
  new PipelineError(`the attestation of ${name} is not valid: ${why}`, { code: "not-attested", cause });

/** What a bundle states, and who signed it. */
interface Verified {
  readonly statement: Statement;
  readonly identity: Identity;
}

/**
 * Verifies the signature of a bundle: the certificate's chain, the signed time, the entry in the transparency log and the
 * signature of the statement. Who signed, and what about, is for the caller to compare.
 * @param name of the file that it should be about, for messages
 * @throws PipelineError (`not-attested`)
 */
export function verifiedStatement(text: string, name: string, root: TrustedRoot): Verified {
  const bundle = parseBundle(text, name);
  const identity = verifySignature(bundle, root, (why, cause) => notAttested(name, why, cause));
  return { statement: statementIn(bundle, name), identity };
}

/** What a bundle states, whoever signed it. @throws PipelineError (`not-attested`) if it states nothing */
export const unverifiedStatement = (text: string, name: string): Statement =>
  statementIn(parseBundle(text, name), name);

function parseBundle(text: string, name: string): BundleWithDsseEnvelope {
  const refused = (why: string, cause?: unknown) => notAttested(name, why, cause);
  const size = Buffer.byteLength(text);
  if (size > LARGEST_BUNDLE) throw refused(`it has ${size} bytes, and the most is ${LARGEST_BUNDLE}`);
  let bundle: Bundle;
  try {
    bundle = bundleFromJSON(JSON.parse(text));
  } catch (cause) {
    throw refused(`it is not a sigstore bundle (${reasonOf(cause)})`, cause);
  }
  if (!isBundleWithDsseEnvelope(bundle)) throw refused("it has no statement");
  const { payloadType } = bundle.content.dsseEnvelope;
  if (payloadType !== IN_TOTO) throw refused(`its statement is ${payloadType}, expected ${IN_TOTO}`);
  return bundle;
}

function statementIn({ content }: BundleWithDsseEnvelope, name: string): Statement {
  try {
    return Statement.parse(JSON.parse(content.dsseEnvelope.payload.toString("utf8")));
  } catch (cause) {
    throw notAttested(name, `it has no in-toto statement of version 1 (${reasonOf(cause)})`, cause);
  }
}

/** What sigstore's library refuses, by the beginning of its error's code. */
const REFUSALS: readonly (readonly [code: string, what: string])[] = [
  ["CERTIFICATE_ERROR", "its certificate is not valid"],
  ["TIMESTAMP_ERROR", "the time of its signature is not certain"],
  ["TLOG_", "it is not in the transparency log"],
  ["SIGNATURE_ERROR", "its signature is wrong"],
];

function verifySignature(
  bundle: Bundle,
  root: TrustedRoot,
  refused: (why: string, cause?: unknown) => Error,
): Identity {
  try {
    const trouble = troubleIn(bundle);
    if (trouble !== undefined) throw refused(trouble);
    const leaf = new X509Certificate(certificateOf(bundle));
    const instance = root.instances.find(({ issuers }) => issuers.some((each) => leaf.checkIssued(each)));
    if (!instance) throw refused(`no authority of ${root.name} has issued its certificate`);
    const { tlogs, ctlogs } = instance.material;
    const verifier = new Verifier(instance.material, {
      tlogThreshold: Math.min(1, tlogs.length),
      ctlogThreshold: Math.min(1, ctlogs.length),
      timestampThreshold: 1,
    });
    return verifier.verify(toSignedEntity(bundle)).identity ?? {};
  } catch (cause) {
    if (cause instanceof PipelineError) throw cause;
    const code = cause instanceof VerificationError ? cause.code : "";
    const what = REFUSALS.find(([each]) => code.startsWith(each))?.[1] ?? "it cannot be verified";
    throw refused(`${what} (${reasonOf(cause)})`, cause);
  }
}

/** Why a bundle is refused before sigstore's library has it; undefined if it is not. */
function troubleIn({ verificationMaterial: { content, tlogEntries } }: Bundle): string | undefined {
  if (content.$case === "publicKey") return "it is signed with a key, and has no certificate";
  for (const { integratedTime, inclusionPromise, inclusionProof } of tlogEntries) {
    // The library takes the time of an entry as signed. Only the promise signs it.
    if (Number(integratedTime) !== 0 && !inclusionPromise)
      return "the log has not signed the time of its entry";
    // The library uses the signer's name in a checkpoint as a regular expression.
    const names = inclusionProof?.checkpoint?.envelope.match(/(?<=\u2014 )\S+/g) ?? [];
    if (names.some((name) => !/^[\w./:-]+$/.test(name))) return "its entry has an invalid checkpoint";
  }
  return undefined;
}

function certificateOf({ verificationMaterial: { content } }: Bundle): Buffer {
  if (content.$case === "certificate") return content.certificate.rawBytes;
  if (content.$case === "x509CertificateChain") return content.x509CertificateChain.certificates[0]!.rawBytes;
  throw new Error("it has no certificate");
}
