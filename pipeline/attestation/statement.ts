import { z } from "zod";

/** A file by its name and the sha256 of its bytes. */
export interface Subject {
  readonly name: string;
  readonly sha256: string;
  /** Whether the attestation must have no other subject. @default false */
  readonly alone?: boolean;
}

/** The payload type of a statement in its envelope. */
export const IN_TOTO = "application/vnd.in-toto+json";

/** What an attestation says: the predicate, about the subjects (in-toto.io, Statement v1). */
export const Statement = z.object({
  _type: z.literal("https://in-toto.io/Statement/v1"),
  subject: z
    .array(z.object({ name: z.string().optional(), digest: z.record(z.string(), z.string()) }))
    .min(1),
  predicateType: z.string(),
  predicate: z.unknown(),
});
export type Statement = z.infer<typeof Statement>;

/** Why a statement is not about a file; undefined if it is. */
export function otherSubjectIn(
  { subject: subjects }: Statement,
  { name, sha256, alone }: Subject,
): string | undefined {
  if (alone && subjects.length > 1) return `it is of ${subjects.length} files, expected ${name} alone`;
  const named = subjects.filter((each) => each.name === name);
  if (named.some(({ digest }) => digest.sha256 === sha256)) return undefined;
  if (named.length > 0) {
    return `it is of other bytes: sha256 ${named[0]!.digest.sha256 ?? "not said"}, and the file has ${sha256}`;
  }
  const names = subjects
    .slice(0, SHOWN)
    .map((each) => (each.name ?? "something without a name").slice(0, LONGEST));
  const more = subjects.length - names.length;
  return `it is of ${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** How many names of subjects a message shows, and how many characters of each. */
const SHOWN = 3;
const LONGEST = 100;
