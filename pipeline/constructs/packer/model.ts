import { z } from "zod";
import { checkProps, repeated, text, wholeNumber } from "../props.ts";
import type { PackerConfig } from "./config.ts";
import type {
  Contribution,
  Contributor,
  PackerPostProcessor,
  PackerSource,
  PackerVariable,
  ProvisioningScript,
} from "./contributor.ts";

/** What all contributors of a bundle add, in their order. */
export interface PackerModel {
  /** The variables of the template, by name. */
  readonly variables: Readonly<Record<string, PackerVariable>>;
  /** What the template computes, as HCL expressions by name. */
  readonly locals: Readonly<Record<string, string>>;
  /** The machines that it makes. */
  readonly sources: readonly PackerSource[];
  /** The texts that Packer serves, by file name. */
  readonly http: Readonly<Record<string, string>>;
  /** The scripts that run in the machine, in this order. */
  readonly scripts: readonly Required<ProvisioningScript>[];
  /** What is done with the finished machine, in this order. */
  readonly postProcessors: readonly PackerPostProcessor[];
}

const IDENTIFIER = z
  .string()
  .regex(/^[a-z][a-z0-9_]*$/, "is not a name: use lower-case letters, digits and _, a letter first");
const fileName = (example: string) =>
  z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
      `is not a file name such as ${example}: use letters, digits, ".", "_" and "-"`,
    );
const TYPE = z.string().regex(/^[a-z][a-z0-9-]*$/, "is not a type of Packer's, such as qemu");
const SETTINGS = z.record(z.string(), z.unknown());
const NOT_EMPTY = text();

const CONTRIBUTION = z.strictObject({
  variables: z
    .record(
      IDENTIFIER,
      z.strictObject({
        type: z.enum(["string", "number", "bool"]),
        default: z.union([z.string(), z.number(), z.boolean()]),
        description: NOT_EMPTY,
        sensitive: z.boolean().optional(),
      }),
    )
    .optional(),
  locals: z.record(IDENTIFIER, NOT_EMPTY).optional(),
  sources: z
    .array(z.strictObject({ type: TYPE, name: fileName("alpine-3.24.2"), settings: SETTINGS }))
    .optional(),
  http: z.record(fileName("answers"), NOT_EMPTY).optional(),
  scripts: z
    .array(
      z.strictObject({
        name: fileName("docker-host.sh"),
        text: NOT_EMPTY,
        order: wholeNumber(0).optional(),
      }),
    )
    .optional(),
  postProcessors: z.array(z.strictObject({ type: TYPE, settings: SETTINGS })).optional(),
});

/** Packer takes a dot in the name of a source, and not where the source is referred to. */
export const labelOf = ({ name }: PackerSource): string => name.replaceAll(".", "_");

/** What the contributors add together, and what is wrong with it. */
export function combine(
  config: PackerConfig,
  contributors: readonly Contributor[],
): { model: PackerModel; errors: string[] } {
  const errors = repeated(contributors.map(({ name }) => name)).map(
    (name) => `contributors: ${name} is listed twice`,
  );
  const ordered = contributors.toSorted((one, other) => one.order - other.order);
  const added = ordered.map((contributor): Added => {
    const contribution = asked(contributor, config);
    const found =
      contribution instanceof Error ? [contribution.message] : checkProps(CONTRIBUTION, contribution).errors;
    errors.push(...found.map((error) => `contributor ${contributor.name}: ${error}`));
    return {
      contributor,
      contribution: contribution instanceof Error || found.length > 0 ? {} : contribution,
    };
  });
  // What one contribution lacks can be the cause of all that follows.
  if (errors.length === 0) errors.push(...claimErrors(added), ...overlayErrors(added), ...httpErrors(added));
  const all = added.map(({ contribution }) => contribution);
  const scripts = added.flatMap(({ contributor, contribution }) =>
    (contribution.scripts ?? []).map((script) => ({ order: contributor.order, ...script })),
  );
  const model = {
    variables: Object.assign({}, ...all.map(({ variables }) => variables)),
    locals: Object.assign({}, ...all.map(({ locals }) => locals)),
    sources: all.flatMap(({ sources = [] }) => sources),
    http: Object.assign({}, ...all.map(({ http }) => http)),
    scripts: scripts.toSorted((one, other) => one.order - other.order),
    postProcessors: all.flatMap(({ postProcessors = [] }) => postProcessors),
  };
  return { model, errors };
}

/** What a contributor adds, or the error that it throws: anyone may write one. */
function asked(contributor: Contributor, config: PackerConfig): Contribution | Error {
  try {
    return contributor.contribute(config);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

interface Added {
  readonly contributor: Contributor;
  readonly contribution: Contribution;
}

/** An error for each name that more than one contribution claims. */
function claimErrors(added: readonly Added[]): string[] {
  const claims = new Map<string, string[]>();
  for (const { contributor, contribution } of added) {
    for (const claim of claimsOf(contribution)) {
      claims.set(claim, [...(claims.get(claim) ?? []), contributor.name]);
    }
  }
  return [...claims]
    .filter(([, by]) => by.length > 1)
    .map(([claim, by]) => {
      const [one, other] = by;
      return one === other
        ? `contributor ${one}: adds the ${claim} twice`
        : `contributors: ${by.join(" and ")} both add the ${claim}: keep one of them, or rename it`;
    });
}

const claimsOf = (contribution: Contribution): string[] => [
  ...Object.keys(contribution.variables ?? {}).map((name) => `variable ${name}`),
  ...Object.keys(contribution.locals ?? {}).map((name) => `local ${name}`),
  ...(contribution.sources ?? []).map((source) => `source ${source.type}.${labelOf(source)}`),
  ...Object.keys(contribution.http ?? {}).map((name) => `HTTP file ${name}`),
  ...(contribution.scripts ?? []).map(({ name }) => `script ${name}`),
  ...(contribution.postProcessors ?? []).map(({ type }) => `post-processor ${type}`),
];

/** An error for each contributor that needs a source, where none comes before it. */
function overlayErrors(added: readonly Added[]): string[] {
  let hasSource = false;
  const errors: string[] = [];
  for (const { contributor, contribution } of added) {
    const { sources = [], scripts = [], postProcessors = [] } = contribution;
    hasSource ||= sources.length > 0;
    if (hasSource || scripts.length + postProcessors.length === 0) continue;
    errors.push(
      `contributors: ${contributor.name} (order ${contributor.order}) has no source to change: ` +
        "list a contributor of a lower order that adds one, such as AlpineBaseContributor",
    );
  }
  if (!hasSource && errors.length === 0) {
    errors.push("contributors: none adds a source: list one that does, such as AlpineBaseContributor");
  }
  return errors;
}

/** A file of Packer's own HTTP server, as settings name it. */
const SERVED = /\{\{ ?\.HTTPPort ?\}\}\/([A-Za-z0-9._-]+)/g;

/** An error for each file that a source fetches, and that no contributor adds. */
function httpErrors(added: readonly Added[]): string[] {
  const served = added.flatMap(({ contribution }) => Object.keys(contribution.http ?? {}));
  return added.flatMap(({ contributor, contribution: { sources = [] } }) =>
    sources.flatMap(({ type, name, settings }) => {
      const fetched = [...JSON.stringify(settings).matchAll(SERVED)].map(([, file]) => file!);
      return [...new Set(fetched)]
        .filter((file) => !served.includes(file))
        .map(
          (file) =>
            `contributor ${contributor.name}: the source ${type}.${name} fetches ${file}, and no contributor adds the HTTP file ${file}`,
        );
    }),
  );
}
