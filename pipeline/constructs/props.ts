import type { IConstruct } from "constructs";
import { z } from "zod";

/** What is wrong with the props of the constructs that were made so far. */
const found = new WeakMap<IConstruct, Findings>();

interface Findings {
  /** One line each, beginning with the prop: `diskMib: 1.5 is not a whole number of at least 64`. */
  readonly errors: readonly string[];
  /** Whether each prop is there and of its type, so that the rest of the tree can be looked at. */
  readonly usable: boolean;
}

const NOTHING: Findings = { errors: [], usable: true };

/** What is wrong with the props of a construct. */
export const propFindings = (construct: IConstruct): Findings => found.get(construct) ?? NOTHING;

/**
 * Compares the props of a construct with what it takes. Nothing is thrown: `synth` says everything that is wrong with
 * a tree at once. @returns whether the construct can take them over
 */
export function takesProps<T>(construct: IConstruct, schema: z.ZodType<T>, props: unknown): props is T {
  const findings = checkProps(schema, props);
  found.set(construct, findings);
  return findings.usable;
}

/** What of `props` is not as `schema` says. Also for what is declared with props and is no construct. */
export function checkProps(schema: z.ZodType, props: unknown): Findings {
  const { error } = schema.safeParse(props);
  if (!error) return NOTHING;
  return {
    errors: error.issues.flatMap((issue) => explain(issue, props)),
    usable: !error.issues.some(({ code }) => OF_TYPE.has(code)),
  };
}

/** The findings after which a value is not of its TypeScript type. */
const OF_TYPE = new Set<string>(["invalid_type", "invalid_union", "invalid_value", "invalid_element"]);

/** A non-empty text. */
export const text = () => z.string().min(1, "is empty");

/** A whole number that is large enough. */
export const wholeNumber = (least: number) =>
  z.number().refine((value) => Number.isInteger(value) && value >= least, {
    error: ({ input }) => `${input} is not a whole number of at least ${least}`,
  });

/** What comes more than once among `values`, each once. */
export const repeated = <T>(values: readonly T[]): T[] => [
  ...new Set(values.filter((value, index) => values.indexOf(value) !== index)),
];

/** A list in which nothing comes twice. */
export const listOf = <T>(item: z.ZodType<T>) =>
  z.array(item).superRefine((all, context) => {
    for (const each of repeated(all)) {
      context.addIssue({ code: "custom", message: `${shown(each)} is listed twice` });
    }
  });

function explain(issue: z.core.$ZodIssue, props: unknown): string[] {
  const at = issue.path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  const prop = at.replace(/^\./, "");
  const value = issue.path.reduce<unknown>(
    (from, part) => (from as Record<PropertyKey, unknown>)[part],
    props,
  );
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => `unknown prop "${prop ? `${prop}.` : ""}${key}"`);
  }
  const where = prop ? `${prop}: ` : "props: ";
  if (issue.code === "custom") return [where + issue.message];
  if (value === undefined) return [prop ? `${prop} is missing` : "the props are missing"];
  if (issue.code === "invalid_value") {
    return [`${where}${shown(value)} is not one of: ${issue.values.map(String).join(", ")}`];
  }
  const expected = issue.code === "invalid_type" ? `is not of type ${issue.expected}` : issue.message;
  return [`${where}${shown(value)} ${expected}`];
}

const LONGEST = 60;

function shown(value: unknown): string {
  const json = typeof value === "function" ? "a function" : (JSON.stringify(value) ?? String(value));
  return json.length > LONGEST ? `${json.slice(0, LONGEST)}…` : json;
}
