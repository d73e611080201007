import type { App } from "../constructs/app.ts";
import { propFindings } from "../constructs/props.ts";
import { Release } from "../constructs/release.ts";
import { PipelineError } from "../util/error.ts";

/** GitHub's maximum number of jobs in one matrix. */
const MATRIX_JOBS = 256;

/**
 * Validates the props of each construct, and then the tree as a whole. The tree is only validated if no prop is missing or
 * has a wrong type.
 * @throws PipelineError that lists all errors of the tree, each with the path of its construct
 */
export function validate(app: App): void {
  const constructs = app.node.findAll();
  const usable = constructs.every((construct) => propFindings(construct).usable);
  const errors = constructs.flatMap((construct) => {
    const together = usable ? construct.node.validate() : [];
    const limits = usable && construct instanceof Release ? matrixErrors(construct) : [];
    return [...propFindings(construct).errors, ...together, ...limits].map(
      (error) => `${construct.node.path}: ${error}`,
    );
  });
  if (errors.length === 0) return;
  throw new PipelineError(
    errors.length === 1 ? errors[0]! : `the tree has ${errors.length} errors; none of its files was written`,
    { details: errors.length === 1 ? [] : errors.map((error) => `- ${error}`) },
  );
}

/** Checks the largest matrix of the workflow, that of `attest`: it has a job for each published cell of any kind. */
function matrixErrors(release: Release): string[] {
  const bases = release.bases.filter((base) => base.published);
  const count =
    release.kernels.length * release.archs.length +
    bases.reduce((sum, base) => sum + base.archs.length, 0) +
    release.presets
      .flatMap((preset) =>
        preset.bases.filter((base) => bases.includes(base)).map((base) => preset.archsOn(base)),
      )
      .flat().length;
  if (count <= MATRIX_JOBS) return [];
  return [
    `${count} cells are published, and a matrix of GitHub Actions has at most ${MATRIX_JOBS} jobs: ` +
      "publish fewer presets, flavors or archs",
  ];
}
