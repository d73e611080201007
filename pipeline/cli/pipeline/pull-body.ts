import { printable } from "../../util/error.ts";

/** The longest line that is shown whole, characters. GitHub takes 65536 for everything. */
const MOST = 500;

/**
 * The text of a pull request, Markdown. Each line becomes a code span: it may have text from a registry, which must be neither
 * markup nor a mention of somebody.
 * @param plan what will be built, as a table
 * @param remark a sentence of ours after the lines. @default none
 */
export const pullBody = (lines: readonly string[], plan: string, remark?: string): string =>
  [
    ...lines.map((line) => `- ${codeSpan(line)}`),
    ...(remark === undefined ? [] : ["", remark]),
    ...["", "What will be built:", "", fenced(plan), ""],
  ].join("\n");

/** A code span ends at as many backticks as it begins with, so it begins with more than the text has in a row. */
export function codeSpan(line: string): string {
  const shown = printable(line);
  const text = shown.length > MOST ? `${shown.slice(0, MOST)}…` : shown;
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = "`".repeat(longest + 1);
  return longest === 0 ? `${fence}${text}${fence}` : `${fence} ${text} ${fence}`;
}

/** A text as a code block of Markdown, in which nothing is Markdown, HTML or a mention. */
export function fenced(text: string): string {
  const runs = text.match(/`+/g) ?? [];
  const fence = "`".repeat(Math.max(2, ...runs.map(({ length }) => length)) + 1);
  return `${fence}\n${text.trimEnd()}\n${fence}`;
}
