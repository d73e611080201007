import type { IConstruct } from "constructs";
import { z } from "zod";

/** The errors in the props of each construct. */
const found = new WeakMap<IConstruct, Findings>();

interface Findings {
  /** One line each that starts with the prop: `diskMib: 1.5 is not a whole number of at least 64`. */
  readonly errors: readonly string[];
  /** Whether every prop is present and has its type, so that the rest of the tree can be validated. */
  readonly usable: boolean;
}

const NOTHING: Findings = { errors: [], usable: true };

/** The errors in the props of a construct. */
export const propFindings = (construct: IConstruct): Findings => found.get(construct) ?? NOTHING;

/**
 * Validates the props of a construct. It throws nothing: `synth` reports all errors of a tree at once.
 * @returns whether every prop is present and has its type, so that the construct can use them
 */
export function takesProps<T>(construct: IConstruct, schema: z.ZodType<T>, props: unknown): props is T {
  const findings = checkProps(schema, props);
  found.set(construct, findings);
  return findings.usable;
}

/** Validates props against a schema. Used for constructs, and for values with props that are not constructs (Flavor). */
export function checkProps(schema: z.ZodType, props: unknown): Findings {
  const { error } = schema.safeParse(props);
  if (!error) return NOTHING;
  return {
    errors: error.issues.flatMap((issue) => explain(issue, props)),
    usable: !error.issues.some(({ code }) => OF_TYPE.has(code)),
  };
}

/** The codes of zod issues that mean that a value does not have its TypeScript type. */
const OF_TYPE = new Set<string>(["invalid_type", "invalid_union", "invalid_value", "invalid_element"]);

/** The schema of a non-empty string. */
export const text = () => z.string().min(1, "is empty");

/** The schema of an integer of at least `least`. */
export const wholeNumber = (least: number) =>
  z.number().refine((value) => Number.isInteger(value) && value >= least, {
    error: ({ input }) => `${input} is not a whole number of at least ${least}`,
  });

/** The values that occur more than once, each listed once. */
export const repeated = <T>(values: readonly T[]): T[] => [
  ...new Set(values.filter((value, index) => values.indexOf(value) !== index)),
];

/** The schema of a list without duplicates. */
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
  if (issue.code === "invalid_key") {
    const name = String(issue.path.at(-1));
    const of = prop.slice(0, -name.length - 1);
    return issue.issues.map(({ message }) => `${of}: ${shown(name)} ${message}`);
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
