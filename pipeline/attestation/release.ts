import { z } from "zod";
import { notAttested, unverifiedStatement, verifiedStatement } from "./bundle.ts";
import type { Statement } from "./statement.ts";
import type { TrustedRoot } from "./trusted-root.ts";

/** A release that nobody can change any more. */
export interface FixedRelease {
  /** `owner/name`. */
  readonly repository: string;
  readonly tag: string;
  /** The git object that the tag points to: a commit, or an annotated tag. Hex digits of its SHA-1. */
  readonly object: string;
  /** The sha256 of its assets, by name. */
  readonly assets: ReadonlyMap<string, string>;
}

/** GitHub's versions of the predicate; both have the fields below. */
const PREDICATES = [
  "https://in-toto.io/attestation/release/v0.1",
  "https://in-toto.io/attestation/release/v0.2",
];

const Predicate = z.object({ repository: z.string(), tag: z.string() });

/** Who signs the attestations of releases on github.com. The certificate has no other claims. */
const SIGNER = "https://dotcom.releases.github.com";

/** The attestations among several that are of a tag. @throws PipelineError (`not-attested`) if one is not of a release */
export const attestationsOf = (bundles: readonly string[], tag: string): string[] =>
  bundles.filter((bundle) => predicateOf(unverifiedStatement(bundle, tag), tag).tag === tag);

/**
 * The differences between a release and GitHub's attestation of it, which GitHub signs when an immutable release is
 * published: of the repository, the tag, the tag's git object, and the digests of all assets.
 * @param root with GitHub's own authorities, which have no transparency log; undefined: the signature is not verified
 * @throws PipelineError (`not-attested`) if it is not a valid attestation of a release, or GitHub has not signed it
 */
export function releaseDifferences(
  bundle: string,
  { repository, tag, object, assets }: FixedRelease,
  root: TrustedRoot | undefined,
): string[] {
  const statement = root ? signedByGitHub(bundle, tag, root) : unverifiedStatement(bundle, tag);
  const predicate = predicateOf(statement, tag);
  const named = statement.subject.flatMap(({ name, digest }) =>
    name === undefined ? [] : [[name, digest.sha256] as const],
  );
  const attested = new Map(named);
  const objects = statement.subject.flatMap(({ name, digest }) => (name === undefined ? [digest.sha1] : []));
  return [
    ...(predicate.repository === repository
      ? []
      : [`its repository is ${predicate.repository}, not ${repository}`]),
    ...(predicate.tag === tag ? [] : [`its tag is ${predicate.tag}, not ${tag}`]),
    ...(objects.length === 1 && objects[0] === object
      ? []
      : [`its commit is ${objects.join(", ") || "not said"}, and the tag is on ${object}`]),
    ...[...assets]
      .filter(([name, sha256]) => attested.get(name) !== sha256)
      .map(
        ([name, sha256]) =>
          `its sha256 of ${name} is ${attested.get(name) ?? "not said"}, and the release has ${sha256}`,
      ),
    ...[...attested.keys()]
      .filter((name) => !assets.has(name))
      .map((name) => `it names ${name}, which the release does not have`),
    ...(named.length === attested.size ? [] : ["it names an asset twice"]),
  ];
}

function predicateOf({ predicateType, predicate }: Statement, tag: string): z.infer<typeof Predicate> {
  if (!PREDICATES.includes(predicateType)) {
    throw notAttested(tag, `it is ${predicateType}, expected ${PREDICATES.join(" or ")}`);
  }
  const parsed = Predicate.safeParse(predicate);
  if (!parsed.success) throw notAttested(tag, "it has no repository or no tag");
  return parsed.data;
}

function signedByGitHub(bundle: string, tag: string, { name, instances }: TrustedRoot): Statement {
  const own = { name, instances: instances.filter(({ material }) => material.tlogs.length === 0) };
  const { statement, identity } = verifiedStatement(bundle, tag, own);
  const { subjectAlternativeName: signer } = identity;
  if (signer === SIGNER) return statement;
  throw notAttested(tag, `${signer ?? "nobody"} has signed it, expected ${SIGNER}`);
}
