import type { DriftRow } from "../schema/drift.ts";

/** What was asked about a pin. */
export interface Asked {
  readonly kind: string;
  readonly name: string;
  readonly pinned: string;
  readonly hold?: { readonly range: string; readonly reason: string } | undefined;
}

/** What its source has answered. */
export interface Answered {
  readonly version: string;
  readonly behind?:
    | { readonly versions?: number | undefined; readonly days?: number | undefined }
    | undefined;
  readonly changed?: string | undefined;
  readonly note?: string | undefined;
}

/** The end of a release's support. */
export interface SupportEnds {
  readonly until: string | undefined;
  /** Set if it has ended on a day that nobody says. */
  readonly ended?: true;
  readonly source: string;
}

/**
 * The row of a pin.
 * @param answered the answer, or why there is none
 * @param today `YYYY-MM-DD`
 */
export function driftRow(
  { kind, name, pinned, hold }: Asked,
  answered: Answered | Error,
  support: SupportEnds | undefined,
  today: string,
): DriftRow {
  const answer = answered instanceof Error ? undefined : answered;
  const until = support?.until ?? null;
  return {
    ...{ name, kind, pinned },
    newest: answer?.version ?? null,
    state: answer === undefined ? "unknown" : answer.behind ? "behind" : "current",
    versions_behind: answer?.behind?.versions ?? null,
    days_behind: answer?.behind?.days ?? null,
    supported_until: until,
    support_source: support?.source ?? null,
    supported: until === null ? (support?.ended ? false : null) : today <= until,
    hold: hold ? { ...hold } : null,
    changed: answer?.changed ?? null,
    note: answered instanceof Error ? answered.message : (answered.note ?? null),
  };
}

/**
 * Whether everything is as it should be. A release without support never is. Being behind is only a warning, unless `strict`
 * asks for pins that are known to be the newest.
 */
export const isAcceptable = (rows: readonly DriftRow[], strict: boolean): boolean =>
  rows.every(({ supported, state }) => supported !== false && (!strict || state === "current"));
