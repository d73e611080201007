import { notAttested, verifiedStatement } from "./bundle.ts";
import { strangerIn } from "./certificate.ts";
import type { Signer } from "./signer.ts";
import { otherSubjectIn, type Subject } from "./statement.ts";
import type { TrustedRoot } from "./trusted-root.ts";

const PROVENANCE = "https://slsa.dev/provenance/v1";

/**
 * Verifies that a run of a workflow on GitHub has attested that it made a file: with sigstore's library the certificate,
 * the time, the transparency log and the signature; then the certificate's identity, and that the statement is provenance
 * (SLSA v1) of a subject with this name and this sha256.
 * @param bundle a sigstore bundle with an in-toto statement, as actions/attest writes it: JSON
 * @param root whose signatures are believed. What it has is required: a root with transparency logs needs an entry in one
 * @throws PipelineError (`not-attested`) that says what is wrong
 */
export function verifyProvenance(bundle: string, subject: Subject, signer: Signer, root: TrustedRoot): void {
  const { statement, identity } = verifiedStatement(bundle, subject.name, root);
  if (statement.predicateType !== PROVENANCE) {
    throw notAttested(subject.name, `it is ${statement.predicateType}, expected ${PROVENANCE}`);
  }
  const wrong = strangerIn(identity, signer) ?? otherSubjectIn(statement, subject);
  if (wrong !== undefined) throw notAttested(subject.name, wrong);
}
