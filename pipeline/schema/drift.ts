import { z } from "zod";

/**
 * - `current`: it is the newest, within the range that holds it
 * - `behind`: there is a newer one
 * - `unknown`: its source could not be asked, or gave no answer that can be used
 */
const DriftState = z.enum(["current", "behind", "unknown"]);

/** One row of `drift --json`: a pin, and what its source has. */
export const DriftRow = z.strictObject({
  name: z.string(),
  kind: z.string(),
  pinned: z.string(),
  /** Null where it is not known. */
  newest: z.string().nullable(),
  state: DriftState,
  /** How many versions and days it is behind; null where that is not known. */
  versions_behind: z.int().nullable(),
  days_behind: z.int().nullable(),
  /** The last day of support, `YYYY-MM-DD`; null for what has none, and where it is not known. */
  supported_until: z.string().nullable(),
  /** Who says so, or was asked without saying it; null for what has no end of support. */
  support_source: z.string().nullable(),
  /** Null for what has no end of support, and where it is not known. */
  supported: z.boolean().nullable(),
  /** The range that the declaration holds it in, and why. */
  hold: z.strictObject({ range: z.string(), reason: z.string() }).nullable(),
  /** What the source has now for the pinned version, where that differs from what was pinned. */
  changed: z.string().nullable(),
  /** Why it is unknown, or what else a reader should know. */
  note: z.string().nullable(),
});
export type DriftRow = z.infer<typeof DriftRow>;

/** The sizes above which a report is refused, bytes. The largest lockfile of this project has 140 kB. */
export const MAX_REPORT_BYTES = 16 << 20;
const MAX_LOCKFILE = 2 << 20;
const MAX_ROW = 8000;
/** The longest note of a row in a report, characters. */
export const MAX_NOTE = 2000;

/** A newer version of a preset's package, locked. */
export const NewLock = z.strictObject({
  preset: z.string().max(100),
  /** The text of the new package-lock.json. */
  lockfile: z.string().max(MAX_LOCKFILE),
});
export type NewLock = z.infer<typeof NewLock>;

/** What `drift --save` leaves for `drift --propose`, which runs elsewhere and does not trust it. */
export const DriftReport = z.strictObject({
  rows: z
    .array(DriftRow.refine((row) => JSON.stringify(row).length <= MAX_ROW, { error: "a row is too long" }))
    .max(500),
  /** Of the presets that are behind, and that the tree accepts at the newest version. */
  locks: z.array(NewLock).max(100),
});
export type DriftReport = z.infer<typeof DriftReport>;
