import type { Cells } from "../schema/cells.ts";
import { ofKind } from "../schema/kinds/index.ts";
import { unique } from "../util/unique.ts";

export const README_PATH = "README.md";
/** The marks around the generated table in README.md. The rest of the file is written by hand. */
const BEGIN = "<!-- Written by `npm run synth`: which preset is offered on which flavor. -->\n";
const END = "<!-- End of what `npm run synth` writes. -->\n";

/** README.md with the table of offered presets; undefined if it does not have the two marks. */
export function withTable(readme: string, cells: Cells): string | undefined {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END, begin);
  if (begin < 0 || end < 0) return undefined;
  return `${readme.slice(0, begin + BEGIN.length)}${offers(cells)}${readme.slice(end)}`;
}

/** A Markdown table with a column for each flavor. Presets that are offered on the same flavors share a row. */
function offers(cells: Cells): string {
  const presets = ofKind(cells.cells, "preset");
  const bases = ofKind(cells.cells, "base");
  const archs = unique(bases.map(({ arch }) => arch));
  const flavors = unique(bases.map(({ flavor }) => flavor));

  const offer = (preset: string, flavor: string): string => {
    const on = presets
      .filter((cell) => cell.preset === preset && cell.flavor === flavor)
      .map(({ arch }) => arch);
    if (on.length === 0)
      return `no: ${cells.refused[preset]?.[flavor] ?? "not offered"}`.replaceAll("|", "\\|");
    return on.length === archs.length ? "yes" : `on ${on.join(", ")}`;
  };
  const rows = new Map<string, string[]>();
  for (const preset of unique([...presets.map((cell) => cell.preset), ...Object.keys(cells.refused)])) {
    const row = flavors.map((flavor) => offer(preset, flavor)).join(" | ");
    rows.set(row, [...(rows.get(row) ?? []), preset]);
  }
  const head = flavors.map((flavor) => {
    if (flavor === cells.default_flavor) return `${flavor} (default)`;
    return bases.some((cell) => cell.flavor === flavor && cell.published)
      ? flavor
      : `${flavor} (built locally)`;
  });
  return [
    `| preset | ${head.join(" | ")} |`,
    `|---|${flavors.map(() => "---|").join("")}`,
    ...[...rows].map(([row, names]) => `| ${names.join(", ")} | ${row} |`),
    "",
  ].join("\n");
}
