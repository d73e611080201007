import { assetLabel, cellNames } from "../../release/diff/cell-names.ts";
import type { ReleaseContents } from "../../release/diff/contents.ts";
import {
  type AssetChange,
  diffReleases,
  type FileChange,
  type PackageChange,
  type PinChange,
  type ReleaseDiff,
} from "../../release/diff/diff.ts";
import {
  measuredIn,
  type Regression,
  regressionsOf,
  regressionText,
} from "../../release/diff/regressions.ts";
import type { Cells } from "../../schema/cells.ts";
import { humanBytes } from "../../util/human-bytes.ts";
import { seconds } from "../../util/seconds.ts";
import { wrapped } from "../shared/table.ts";
import { codeSpan } from "./pull-body.ts";

/** The longest line of running text, characters. */
const WIDTH = 80;
/** How many files are listed. JSON has all. */
const FILES = 10;
/** GitHub takes 125,000 characters for the text of a release. */
const MOST = 100_000;

/** Compares two releases. `text` is Markdown. */
export function compared(a: ReleaseContents, b: ReleaseContents, { regressions: limits }: Cells) {
  const diff = diffReleases(a, b);
  const regressions = regressionsOf(measuredIn(a), measuredIn(b), limits, b.tag);
  return { diff, regressions, text: changelog(diff, regressions) };
}

/**
 * The differences between two releases as Markdown. Names and versions come from packages: they are code spans, and so neither
 * markup nor a mention of somebody.
 */
export function changelog(diff: ReleaseDiff, regressions: readonly Regression[]): string {
  const { from, to } = diff;
  const sections = [
    [`## Changes from ${from} to ${to}`],
    summary(diff),
    section("Regressions", regressions.flatMap(regressionLines)),
    assetTable(diff.assets, regressions),
    section("Pins and recipe", pinLines(diff.pins)),
    packageLines(diff),
    fileLines(diff.files),
  ].filter((lines) => lines.length > 0);
  const lines = sections.flatMap((section) => [...section, ""]).slice(0, -1);
  return cutShort(lines, `npx smolvm-images release diff ${from} ${to}`);
}

/** Whole lines, as far as GitHub takes them. @param command what prints all of them */
function cutShort(lines: readonly string[], command: string): string {
  const text = (some: readonly string[]) => some.map((line) => `${line}\n`).join("");
  if (text(lines).length <= MOST) return text(lines);
  const kept: string[] = [];
  for (let size = 0; size + lines[kept.length]!.length < MOST; size += kept.at(-1)!.length + 1)
    kept.push(lines[kept.length]!);
  return text([...kept, "", `${lines.length - kept.length} more lines: \`${command}\``]);
}

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`### ${title}`, "", ...lines];

function summary({ cells: { added, removed, unchanged }, assets }: ReleaseDiff): string[] {
  const changed = new Set(assets.map(({ cell }) => cell)).size;
  const counts = `Cells: ${changed} changed, ${added.length} added, ${removed.length} removed, ${unchanged.length} with the same bytes.`;
  const list = (what: string, ids: readonly string[]) =>
    ids.length === 0 ? [] : item(`${what}: ${cellNames(ids)}`);
  const lists = [...list("Added", added), ...list("Removed", removed)];
  return [...wrapped(counts, WIDTH), ...(lists.length > 0 ? ["", ...lists] : [])];
}

/** A text of ours as an item of a list. */
const item = (text: string): string[] =>
  wrapped(text, WIDTH - 2).map((line, at) => `${at === 0 ? "- " : "  "}${line}`);

function regressionLines(regression: Regression): string[] {
  const { accepted } = regression;
  const verdict = accepted === null ? "**not accepted**" : `accepted: ${codeSpan(accepted)}`;
  return [`- ${codeSpan(regressionText(regression))},`, `  ${verdict}`];
}

function assetTable(assets: readonly AssetChange[], regressions: readonly Regression[]): string[] {
  if (assets.length === 0) return [];
  const isRegression = (name: string, what: Regression["what"]) =>
    regressions.some((each) => each.asset === name && each.what === what) ? " !" : "";
  const rows = assets.map(({ cell, asset, size, boot_ms: boot }) => [
    codeSpan(assetLabel(cell, asset)),
    humanBytes(size.to),
    `${percent(size)}${isRegression(asset, "size")}`,
    boot ? seconds(boot.to) : "-",
    boot ? `${percent(boot)}${isRegression(asset, "boot")}` : "-",
  ]);
  return section("Size and time to SSH login", markdownTable(["cell", "size", "", "login", ""], rows));
}

function percent({ from, to }: { readonly from: number; readonly to: number }): string {
  if (from === 0) return "-";
  const change = ((100 * (to - from)) / from).toFixed(1);
  return change === "0.0" || change === "-0.0" ? "=" : `${to > from ? "+" : ""}${change} %`;
}

function markdownTable(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [headings, ...rows];
  const widths = headings.map((_, at) => Math.max(3, ...all.map((row) => row[at]!.length)));
  const line = (row: readonly string[], fill = " ") =>
    `| ${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!, fill) : cell.padStart(widths[at]!, fill))).join(" | ")} |`;
  const rule = widths.map((width, at) => (at === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(headings), line(rule), ...rows.map((row) => line(row))];
}

/** Inputs that have a value to read come first, then files and other inputs of which only the first digits of a hash are known. */
export function pinLines(pins: readonly PinChange[]): string[] {
  const isHash = ({ name, from, to }: PinChange) =>
    !name.includes("://") && [from, to].every((value) => value === null || /^[0-9a-f]{12}$/.test(value));
  const values = pins.filter((pin) => !isHash(pin));
  const hashed = pins.filter(isHash);
  const lines = values.flatMap((pin) => [
    `- ${codeSpan(pin.name)} ${fromTo(pin.from, pin.to)}`,
    ...inCells(pin.cells),
  ]);
  const files = hashed.map(({ name, from, to }) => {
    const what = from === null ? ", added" : to === null ? ", removed" : "";
    return `- ${codeSpan(name)}${what}`;
  });
  return [...lines, ...new Set(files)];
}

const fromTo = (from: string | null, to: string | null): string =>
  from === null
    ? `added: ${codeSpan(to!)}`
    : to === null
      ? `removed: ${codeSpan(from)}`
      : `${codeSpan(from)} -> ${codeSpan(to)}`;

const inCells = (cells: readonly string[]): string[] =>
  wrapped(`in ${cellNames(cells)}`, WIDTH - 2).map((line) => `  ${line}`);

function packageLines({ packages }: ReleaseDiff): string[] {
  const groups = packages.flatMap(({ cells, changes }, at) => [
    ...(at === 0 ? [] : [""]),
    ...wrapped(`In ${cellNames(cells)}:`, WIDTH),
    "",
    ...changes.map(packageLine),
  ]);
  return section("Packages", groups);
}

const packageLine = ({ type, name, from, to }: PackageChange): string => {
  const [before, after] = [from, to].map((versions) => (versions.length > 0 ? versions.join(", ") : null));
  return `- ${type} ${codeSpan(name)} ${fromTo(before!, after!)}`;
};

function fileLines(files: readonly FileChange[]): string[] {
  const shown = files
    .slice(0, FILES)
    .flatMap(({ path, from, to, cells }) => [
      `- ${codeSpan(path)} ${sizeChange(from, to)}`,
      ...inCells(cells),
    ]);
  const more = files.length - FILES;
  return section("Largest changes of files", [
    ...shown,
    ...(more > 0 ? ["", `${more} smaller changes are left out.`] : []),
  ]);
}

const sizeChange = (from: number | null, to: number | null): string =>
  from === null
    ? `added, ${humanBytes(to!)}`
    : to === null
      ? `removed, ${humanBytes(from)}`
      : `${humanBytes(from)} -> ${humanBytes(to)}`;
