import { isComplete, type PlannedCell } from "../../plan/plan.ts";
import { cellNames } from "../../release/diff/cell-names.ts";
import type { ReleaseContents } from "../../release/diff/contents.ts";
import { diffReleases } from "../../release/diff/diff.ts";
import type { Cells } from "../../schema/cells.ts";
import { wrapped } from "../shared/table.ts";
import { pinLines } from "./changelog.ts";
import { codeSpan } from "./pull-body.ts";

/** The longest line of running text, characters. */
const WIDTH = 80;
/** How many lines a list has, so that the comment fits on one screen. */
const LINES = 12;
/** The settings of a release that a reviewer must see. They are no inputs of cells. */
const SETTINGS = [
  ...["repository", "default_flavor", "vmms", "accepts", "trusted_root", "regressions", "refused"],
] as const satisfies readonly (keyof Cells)[];

/** A pull request: the cells before and after it, and what a release from it would do. */
export interface Proposed {
  readonly before: Cells;
  readonly after: Cells;
  readonly planned: readonly PlannedCell[];
  /** The generated files that it changes. */
  readonly generated: readonly string[];
}

/** Whether a pull request changes something that a reader should see. */
export const changesSomething = ({ before, after, generated }: Proposed): boolean =>
  generated.length > 0 || JSON.stringify(before) !== JSON.stringify(after);

/**
 * The comment on a pull request, Markdown. What it says of the change comes from the author of the pull request: ids of cells are
 * words and digits, and all else is code spans.
 */
export function pullComment(proposed: Proposed): string {
  const { before, after, planned, generated } = proposed;
  const { cells, assets, pins } = diffReleases(contentsOf(before), contentsOf(after));
  const changed = [...new Set(assets.map(({ cell }) => cell))];
  const cellLists = [
    ...list("With other inputs", changed),
    ...list("Added", cells.added),
    ...list("Removed", cells.removed),
  ];
  const settings = settingLines(before, after);
  const sections = [
    ["### What this change would publish"],
    text(`${releaseOf(before, after)}. ${countsOf(planned)}`),
    cellLists.length > 0 ? cellLists : text("No published cell changes."),
    titled("Why: pins and recipe", limited(pinLines(pins))),
    titled("Settings of the release", settings),
    titled("Generated files", limited(generated.map((path) => `- ${codeSpan(path)}`))),
    text(
      "Read from the committed `out/cells.json`; the check `synth --check` says whether it is up to date.",
    ),
  ].filter((lines) => lines.length > 0);
  return sections
    .flatMap((section) => [...section, ""])
    .join("\n")
    .trimEnd();
}

/** The comment where the cells of the change cannot be read. */
export const unreadableComment = (why: string): string =>
  ["### What this change would publish", "", `Its \`out/cells.json\` cannot be read: ${codeSpan(why)}`].join(
    "\n",
  );

const text = (words: string): string[] => wrapped(words, WIDTH);

const titled = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`**${title}**`, "", ...lines];

const list = (what: string, ids: readonly string[]): string[] =>
  ids.length === 0
    ? []
    : text(`- ${what} (${ids.length}): ${cellNames(ids)}`).map((line, at) => (at ? `  ${line}` : line));

const limited = (lines: readonly string[]): string[] =>
  lines.length <= LINES
    ? [...lines]
    : [...lines.slice(0, LINES), "", `${lines.length - LINES} more lines are left out.`];

function releaseOf({ tag: before }: Cells, { tag }: Cells): string {
  return before === tag
    ? `At the tag ${codeSpan(tag)}, which stays`
    : `At the tag ${codeSpan(tag)}, which was ${codeSpan(before)}`;
}

/** How much a release made from the change would build. */
function countsOf(planned: readonly PlannedCell[]): string {
  const count = (action: PlannedCell["action"]) => planned.filter((cell) => cell.action === action).length;
  const from = planned.find(({ action }) => action === "carry")?.from;
  const carried = from === undefined ? "" : `, ${count("carry")} carried over from ${codeSpan(from)}`;
  const skipped = count("skip") > 0 && isComplete(planned) ? `, ${count("skip")} are published already` : "";
  return `A release of it: ${count("build")} of ${planned.length} cells are built${carried}${skipped}.`;
}

/** Published cells as contents whose bytes are their inputs. */
const contentsOf = ({ tag, cells }: Cells): ReleaseContents => ({
  tag,
  cells: cells
    .filter(({ published }) => published)
    .map(({ id, inputs, made_from }) => ({
      ...{ id, made_from, packages: [], files: undefined },
      assets: [{ name: id, sha256: inputs, size: 1 }],
    })),
});

function settingLines(before: Cells, after: Cells): string[] {
  return SETTINGS.flatMap((name) => {
    const [from, to] = [before, after].map((cells) => JSON.stringify(cells[name]) ?? "none");
    return from === to ? [] : [`- \`${name}\`: ${codeSpan(from!)} -> ${codeSpan(to!)}`];
  });
}
