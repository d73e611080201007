import type { DriftRow } from "../../schema/drift.ts";
import { driftTable } from "./drift-table.ts";
import { fenced } from "./pull-body.ts";

/** GitHub takes 65,536 characters. */
const MAX_BODY = 60_000;

/** Whether there is something to do about a pin. */
export const needsAttention = ({ state, supported, changed }: DriftRow): boolean =>
  state !== "current" || supported === false || changed !== null;

/** The text of the issue with these rows. The last rows are left out where it would be longer than GitHub takes. */
export function issueBody(rows: readonly DriftRow[]): string {
  if (rows.length === 0) return "Nothing is behind, apart from what open pull requests change.";
  const intro =
    "These pins are behind, cannot be asked about, or are of a release without support. " +
    "`npx smolvm-images bump --pins --pr` brings to the newest version what can be written automatically.";
  for (let shown = rows.length; ; shown = Math.floor(shown * 0.9)) {
    const more = shown === rows.length ? "" : `\n\n${rows.length - shown} more are left out.`;
    const body = `${intro}\n\n${fenced(driftTable(rows.slice(0, shown)))}${more}`;
    if (body.length <= MAX_BODY || shown === 0) return body;
  }
}
