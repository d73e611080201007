/** The maximum length of a line, as in biome.json. */
const LINE = 110;

export interface NewPreset {
  readonly name: string;
  /** The npm package. */
  readonly package: string;
  readonly check: readonly string[];
  /** Reasons by flavor. */
  readonly refuses: Readonly<Record<string, string>>;
}

/** The position of a statement in images.ts. Lines are counted from 0. */
interface Statement {
  readonly name: string;
  /** The variable that holds the release. */
  readonly release: string;
  readonly first: number;
  readonly last: number;
}

/** The formatted statement that declares a preset. @param release the variable that holds the release */
export function presetStatement(
  { name, package: pkg, check, refuses }: NewPreset,
  release = "release",
): string {
  const reasons = Object.entries(refuses).map(([flavor, why]) => `${key(flavor)}: ${quote(why)}`);
  return [
    `  new PresetLayer(${release}, ${quote(name)}, {`,
    `    install: npm(${quote(pkg)}),`,
    ...fitting("    check: [", check.map(quote), "],"),
    ...(reasons.length > 0 ? fitting("    refuses: { ", reasons, " },") : []),
    "  });",
  ].join("\n");
}

/**
 * images.ts with a new preset after the last one, or after the last base if there is no preset. Undefined if neither
 * statement is found.
 */
export function withStatement(text: string, preset: NewPreset): string | undefined {
  const lines = text.split("\n");
  const after = /\bnew PresetLayer\b/.test(text) ? "PresetLayer" : "BaseRootfs";
  const last = statements(lines, after).at(-1);
  if (last === undefined) return undefined;
  lines.splice(last.last + 1, 0, "", presetStatement(preset, last.release));
  return withImports(lines.join("\n"), ["npm", "PresetLayer"]);
}

/** images.ts with the missing names added to the import that has BaseRootfs. */
function withImports(text: string, names: readonly string[]): string {
  const imported = [...text.matchAll(IMPORT)].flatMap(([, listed = ""]) => listed.split(/,\s*/));
  const missing = names.filter((name) => !imported.includes(name));
  return text.replaceAll(IMPORT, (line, listed: string, from: string) => {
    const all = listed.split(/,\s*/);
    if (missing.length === 0 || !all.includes("BaseRootfs")) return line;
    const sorted = [...all, ...missing].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
    return `${fitting("import { ", sorted, ` } from ${from}`).join("\n")}\n`;
  });
}

const sortKey = (name: string) => name.replace(/^type /, "").toLowerCase();

/**
 * images.ts without the statement of a preset, and without the imports that only this statement used. Undefined unless
 * there is exactly one statement of that name in the form that `presetStatement` writes.
 */
export function withoutStatement(text: string, name: string): { text: string; removed: string } | undefined {
  const lines = text.split("\n");
  const found = statements(lines).filter((statement) => statement.name === name);
  const [statement] = found;
  if (statement === undefined || found.length > 1) return undefined;
  const { first, last } = statement;
  // Also removes one of the blank lines around it.
  const blank =
    lines[last + 1] === "" ? [first, last + 1] : lines[first - 1] === "" ? [first - 1, last] : [first, last];
  const removed = lines.slice(first, last + 1).join("\n");
  const rest = lines.filter((_, index) => index < blank[0]! || index > blank[1]!).join("\n");
  return { text: withoutUnusedImports(rest), removed };
}

/** `import { … } from …`, on one or several lines. */
const IMPORT = /^import \{\s*([\w,\s]+?),?\s*\} from (.*)\n/gm;

function statements(lines: readonly string[], construct = "PresetLayer"): Statement[] {
  const statement = new RegExp(`^( *)new ${construct}\\((\\w+), "([^"]*)", \\{`);
  return lines.flatMap((line, first) => {
    const [, indent, release, name] = statement.exec(line) ?? [];
    if (indent === undefined || release === undefined || name === undefined) return [];
    const last = line.endsWith("});") ? first : lines.indexOf(`${indent}});`, first);
    return last < 0 ? [] : [{ name, release, first, last }];
  });
}

/** Removes names from `import { … } from "…"` that the code does not use. */
function withoutUnusedImports(text: string): string {
  const code = text.replaceAll(/\/\*.*?\*\/|\/\/[^\n]*|"[^"\n]*"/gs, "");
  const uses = (name: string) => code.match(new RegExp(`\\b${name}\\b(?!:)`, "g"))!.length;
  return text.replaceAll(IMPORT, (line, names: string, from: string) => {
    const all = names.split(/,\s*/);
    const used = all.filter((name) => uses(name.replace(/^type /, "")) > 1);
    if (used.length === 0) return "";
    return used.length === all.length
      ? line
      : `${fitting("import { ", used, ` } from ${from}`).join("\n")}\n`;
  });
}

/** A list on one line if it fits, otherwise with one item per line. */
function fitting(open: string, items: readonly string[], close: string): string[] {
  const line = `${open}${items.join(", ")}${close}`;
  if (line.length <= LINE) return [line];
  const indent = /^ */.exec(open)![0];
  return [open.trimEnd(), ...items.map((item) => `${indent}  ${item},`), `${indent}${close.trim()}`];
}

const key = (name: string) => (/^[a-z]\w*$/.test(name) ? name : quote(name));
const quote = (text: string) => JSON.stringify(text);
