import type { App } from "../constructs/app.ts";
import { propFindings } from "../constructs/props.ts";
import { Release } from "../constructs/release.ts";
import { PipelineError } from "../util/error.ts";

/** GitHub's limit on the jobs that one matrix makes. */
const MATRIX_JOBS = 256;

/**
 * First the props of each construct, then what the constructs say together; the latter is looked at only where no prop
 * is missing or of another type.
 * @throws PipelineError that lists everything that is wrong with the tree, each with its construct path
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

/** The largest matrix of the workflow is the one that attests: a job for each published cell of any kind. */
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
