import { ASN1Obj } from "@sigstore/core";
import type { ObjectIdentifierValuePair } from "@sigstore/verify";
import { GITHUB } from "../schema/names.ts";
import type { Signer } from "./signer.ts";

/** Who issues the identities of workflows on github.com. */
const ISSUER = "https://token.actions.githubusercontent.com";

/**
 * What Fulcio writes of a workflow's run into a certificate, by the last number of 1.3.6.1.4.1.57264.1.N; each is a
 * UTF8String in DER (github.com/sigstore/fulcio, docs/oid-info.md).
 */
const CLAIMS = {
  issuer: 8,
  /** The workflow file that signs, with its ref. Also the subject alternative name. */
  buildSignerUri: 9,
  buildSignerDigest: 10,
  runnerEnvironment: 11,
  sourceRepositoryUri: 12,
  sourceRepositoryDigest: 13,
  sourceRepositoryRef: 14,
  /** The workflow file that was started. Another one than that which signs, where a workflow calls another. */
  buildConfigUri: 18,
  buildTrigger: 20,
  runInvocationUri: 21,
} as const;
type Claim = keyof typeof CLAIMS;

const UTF8_STRING = 0x0c;

/** What a verified certificate says of its owner. */
export interface Identity {
  readonly subjectAlternativeName?: string | undefined;
  readonly oids?: readonly ObjectIdentifierValuePair[] | undefined;
}

/**
 * Why a certificate is not that of a signer; undefined if it is. Each value is compared whole.
 * @param identity of a certificate that was verified
 */
export function strangerIn(identity: Identity, signer: Signer): string | undefined {
  const repository = `${GITHUB}/${signer.repository}`;
  const claim = (name: Claim) => claimIn(identity, CLAIMS[name]);
  const run = claim("runInvocationUri");
  const ref = signer.ref ?? claim("sourceRepositoryRef") ?? "";
  const workflow = `${repository}/${signer.workflow}@${ref}`;
  const expected: readonly (readonly [
    what: string,
    found: string | undefined,
    expected: string | undefined,
  ])[] = [
    ["the issuer of the identity", claim("issuer"), ISSUER],
    ["the repository", claim("sourceRepositoryUri"), repository],
    ["the ref", claim("sourceRepositoryRef"), ref],
    ["the workflow", identity.subjectAlternativeName, workflow],
    ["the workflow that signs", claim("buildSignerUri"), workflow],
    ["the workflow that was started", claim("buildConfigUri"), workflow],
    ["the runner", claim("runnerEnvironment"), "github-hosted"],
    ["the commit", claim("sourceRepositoryDigest"), signer.commit],
    ["the commit of the workflow", claim("buildSignerDigest"), signer.commit],
    ["the event", claim("buildTrigger"), signer.trigger],
    ["the run", run, signer.run === undefined ? undefined : runUri(repository, signer.run, run)],
  ];
  const wrong = expected.find(([, found, right]) => right !== undefined && found !== right);
  return wrong && `${wrong[0]} is ${wrong[1] ?? "not said"}, expected ${wrong[2]}`;
}

/** The address of a run, of the attempt that a certificate names. */
function runUri(repository: string, run: number, found: string | undefined): string {
  const attempt = Number(found?.split("/attempts/").at(-1));
  return `${repository}/actions/runs/${run}/attempts/${Number.isSafeInteger(attempt) && attempt > 0 ? attempt : 1}`;
}

/** The text of one of Fulcio's extensions; undefined if it is not there once. */
function claimIn({ oids = [] }: Identity, last: number): string | undefined {
  const id = `1.3.6.1.4.1.57264.1.${last}`;
  const [value, second] = oids.filter(({ oid }) => oid?.id.join(".") === id);
  if (!value || second) return undefined;
  const text = ASN1Obj.parseBuffer(Buffer.from(value.value));
  return text.tag.toDER() === UTF8_STRING ? text.value.toString("utf8") : undefined;
}
