import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { TrustedRoot as TrustedRootMessage } from "@sigstore/protobuf-specs";
import { type TrustMaterial, toTrustMaterial } from "@sigstore/verify";
import { PipelineError } from "../util/error.ts";
import { PACKAGE } from "../util/package.ts";
import { readText } from "../util/read-text.ts";
import { reasonOf } from "../util/reason.ts";

/** Authorities of one instance of sigstore: who issues certificates, and which logs and clocks are trusted. */
interface Instance {
  readonly material: TrustMaterial;
  /** The certificates that issue those of signers. */
  readonly issuers: readonly X509Certificate[];
}

/** The instances of sigstore whose signatures are believed. */
export interface TrustedRoot {
  /** Where it is from, for messages. */
  readonly name: string;
  readonly instances: readonly Instance[];
}

/** sigstore's public instance signs for all public repositories of GitHub. */
const PUBLIC_GOOD = join(PACKAGE, "pipeline/attestation/trusted_root.json");

/** The largest file that is read, bytes. That of sigstore's public instance has 7 kB. */
const MOST = 1 << 20;

/**
 * The authorities that are trusted. Nothing is fetched.
 *
 * The default is sigstore's public instance: `trusted_root.json` beside this file is the copy that the npm package
 * `@sigstore/tuf` embeds, which sigstore publishes at tuf-repo-cdn.sigstore.dev (a test compares the two). sigstore adds
 * keys every year or two. What was signed before stays valid, as old keys remain in the file with their dates. What is
 * signed with a new key is refused until this package is updated, or its root is given as a file.
 * @param path a file `trusted_root.json`, or one with a root on each line as `gh attestation trusted-root` prints it
 * @throws PipelineError if the file cannot be read, or is not a trusted root
 */
export async function trustedRoot(path?: string): Promise<TrustedRoot> {
  let text: string;
  try {
    text = await readText(path ?? PUBLIC_GOOD, MOST);
  } catch (cause) {
    const problem = `cannot read the trusted root ${path ?? PUBLIC_GOOD} (${reasonOf(cause)})`;
    throw new PipelineError(problem, { code: "not-readable", fix: FIX, cause });
  }
  return parseTrustedRoot(text, path ?? "sigstore's public instance");
}

const FIX = "give the path of a trusted_root.json";

/**
 * Parses a trusted root.
 * @param text JSON, or one JSON object on each line
 * @param name where it is from, for messages
 * @throws PipelineError if it is not a trusted root, or has no authority that could sign or date a signature
 */
export function parseTrustedRoot(text: string, name: string): TrustedRoot {
  try {
    return { name, instances: rootsIn(text).map(instanceOf) };
  } catch (cause) {
    throw new PipelineError(`${name} is not a trusted root of sigstore (${reasonOf(cause)})`, {
      fix: FIX,
      cause,
    });
  }
}

/** The roots of a file: one JSON object, or one on each line. */
function rootsIn(text: string): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch (error) {
    const lines = text.split("\n").filter((line) => line.trim() !== "");
    if (lines.length < 2) throw error;
    return lines.map((line) => JSON.parse(line));
  }
}

function instanceOf(root: unknown): Instance {
  const message = TrustedRootMessage.fromJSON(root);
  const material = toTrustMaterial(message);
  if (material.certificateAuthorities.length === 0) throw new Error("it has no certificate authority");
  if (material.tlogs.length + material.timestampAuthorities.length === 0) {
    throw new Error("it has no transparency log and no timestamp authority");
  }
  const certificates = message.certificateAuthorities.flatMap(({ certChain }) => certChain!.certificates);
  return { material, issuers: certificates.map(({ rawBytes }) => new X509Certificate(rawBytes)) };
}
