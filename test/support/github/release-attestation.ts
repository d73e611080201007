import { createHash } from "node:crypto";
import type { OwnSigstore, Unusual } from "../sigstore.ts";
import type { HeldRelease } from "./github.ts";

/** What an attestation of a release is about. */
export interface AttestedSubject {
  readonly name?: string;
  readonly uri?: string;
  readonly digest: Readonly<Record<string, string>>;
}

/** The subjects that GitHub names when it publishes a release: what its tag points to, and each asset. */
export const releaseSubjects = (release: HeldRelease, commit: string): AttestedSubject[] => [
  { uri: `pkg:github/example/images@${release.tag}`, digest: { sha1: commit } },
  ...release.assets.map(({ name, bytes }) => ({
    name,
    digest: { sha256: createHash("sha256").update(bytes).digest("hex") },
  })),
];

/** The attestation that GitHub makes of an immutable release: a sigstore bundle, JSON. */
export async function attestRelease(
  sigstore: OwnSigstore,
  subject: readonly AttestedSubject[],
  predicate: object,
  unusual: Unusual = {},
): Promise<string> {
  const workflow = [8, 9, 10, 11, 12, 13, 14, 18, 19, 20, 21];
  return await sigstore.attest(
    [],
    { repository: "x/x", workflow: "x" },
    {
      subjectAltName: "https://dotcom.releases.github.com",
      // GitHub's certificate for releases is of no workflow.
      extensions: Object.fromEntries(workflow.map((each) => [each, undefined])),
      statement: {
        _type: "https://in-toto.io/Statement/v1",
        subject,
        predicateType: unusual.predicateType ?? "https://in-toto.io/attestation/release/v0.2",
        predicate,
      },
      ...unusual,
    },
  );
}
