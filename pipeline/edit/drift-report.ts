import { lockfileOf } from "../constructs/lockfile.ts";
import type { Release } from "../constructs/release.ts";
import { type DriftReport, type DriftRow, MAX_NOTE, type NewLock } from "../schema/drift.ts";
import type { Project } from "../synth/find-project.ts";
import { filesIn } from "../synth/project.ts";
import { PipelineError } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import { withNewLock } from "./new-lock.ts";
import { bumpedLock } from "./preset.ts";

/**
 * The rows, with a lockfile for each preset that is behind. A preset that cannot be locked at its newest version, or that the
 * tree then refuses, has the reason as the note of its row instead. Nothing is written.
 */
export async function reportOf(
  project: Project,
  release: Release,
  rows: readonly DriftRow[],
  run: Run,
): Promise<DriftReport> {
  const presets = release.presets.flatMap(({ preset, install }) =>
    install.method === "npm" ? [preset] : [],
  );
  const report: DriftReport = { rows: [], locks: [] };
  for (const row of rows) {
    const isBehind = row.kind === "npm" && row.state === "behind" && presets.includes(row.name);
    const made = isBehind ? await lockOf(project, row, run) : undefined;
    if (made !== undefined && typeof made !== "string") report.locks.push(made);
    const note = typeof made === "string" ? made : row.note;
    report.rows.push({ ...row, note: note === null ? null : note.slice(0, MAX_NOTE) });
  }
  return report;
}

/** The new lockfile of a preset, or why there is none. */
async function lockOf(
  project: Project,
  { name: preset, newest }: DriftRow,
  run: Run,
): Promise<NewLock | string> {
  try {
    const spec = { name: preset, version: newest ?? undefined };
    const { texts, note } = await bumpedLock(project, spec, filesIn(project.root), run);
    const lockfile = texts.get(lockfileOf(preset));
    if (lockfile === undefined) return note;
    run.progress.step(`check the tree with ${preset} ${newest}`);
    const lock = { preset, lockfile };
    await withNewLock(project, lock);
    return lock;
  } catch (error) {
    run.signal.throwIfAborted();
    if (!(error instanceof PipelineError)) throw error;
    return `it cannot be proposed: ${[error.problem, ...error.details].join(" ")}`;
  }
}
