import type { App } from "../constructs/app.ts";
import { Release } from "../constructs/release.ts";
import { PipelineError } from "../schema/error.ts";

/** GitHub's limit on the jobs that one matrix makes. */
const MATRIX_JOBS = 256;

/** @throws PipelineError that lists everything that is wrong with the tree, each with its construct path */
export function validate(app: App): void {
  const errors = app.node
    .findAll()
    .flatMap((construct) => construct.node.validate().map((error) => `${construct.node.path}: ${error}`));
  for (const release of app.node.findAll()) {
    if (release instanceof Release) errors.push(...matrixErrors(release));
  }
  if (errors.length === 0) return;
  throw new PipelineError(
    errors.length === 1 ? errors[0]! : `the tree has ${errors.length} errors; none of its files was written`,
    { details: errors.length === 1 ? [] : errors.map((error) => `- ${error}`) },
  );
}

function matrixErrors(release: Release): string[] {
  const bases = release.bases.filter((base) => base.published);
  const jobs = {
    base: bases.length * release.archs.length,
    preset:
      release.presets.flatMap((preset) => preset.bases.filter((base) => bases.includes(base))).length *
      release.archs.length,
  };
  return Object.entries(jobs)
    .filter(([, count]) => count > MATRIX_JOBS)
    .map(
      ([kind, count]) =>
        `${release.node.path}: ${count} ${kind} cells, but a GitHub Actions matrix has at most ` +
        `${MATRIX_JOBS} jobs: publish fewer presets, flavors or archs, or declare a second release`,
    );
}
