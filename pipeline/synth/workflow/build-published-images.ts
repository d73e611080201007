import { uses } from "./actions.ts";
import type { Job, Step, Workflow } from "./model.ts";
import { installTools, prepare } from "./steps.ts";

/** Where a base's container image is handed from its job to the jobs of the presets on it. */
const BASES = "out/cache/bases";

/** Downloads are bounded by the artifacts' size; an emulated boot on arm64 takes the longest. */
const CELL_MINUTES = 90;

/**
 * plan -> base -> preset. `plan` refuses a stale tree and says which cells must be built; every cell
 * is then built, packed and boot-verified by the command that a laptop runs, without a token.
 */
export function buildPublishedImages(tag: string): Workflow {
  return {
    name: "build-published-images",
    on: { workflow_dispatch: null },
    permissions: {},
    concurrency: { group: `build-published-images-${tag}`, "cancel-in-progress": false },
    jobs: {
      plan: {
        "runs-on": "ubuntu-24.04",
        "timeout-minutes": 15,
        permissions: { contents: "read" },
        outputs: { bases: "${{ steps.plan.outputs.bases }}", presets: "${{ steps.plan.outputs.presets }}" },
        steps: [
          ...prepare,
          { name: "Refuse a stale tree", run: "npm run -s synth -- --check" },
          { name: "Decide what to build", id: "plan", run: "npm run -s plan" },
        ],
      },
      base: cellJob(
        "bases",
        ["plan"],
        [
          {
            name: "Build, boot and stage",
            env: { CELL: "${{ matrix.cell }}" },
            run: `npm run -s cell -- "$CELL" --bases ${BASES}`,
          },
          {
            name: "Hand over the container image",
            uses: uses("actions/upload-artifact"),
            with: {
              name: "container-${{ matrix.cell }}",
              path: BASES,
              "if-no-files-found": "error",
              "retention-days": 1,
            },
          },
        ],
      ),
      preset: cellJob(
        "presets",
        ["plan", "base"],
        [
          {
            name: "Take over the base's container image",
            uses: uses("actions/download-artifact"),
            with: { name: "container-${{ matrix.base }}", path: BASES },
          },
          {
            name: "Build, boot and stage",
            env: { CELL: "${{ matrix.cell }}" },
            run: `npm run -s cell -- "$CELL" --bases ${BASES}`,
          },
        ],
      ),
    },
  };
}

/** One job per entry of a matrix that `plan` put out. A failed cell keeps the others' work. */
function cellJob(matrix: "bases" | "presets", needs: readonly string[], steps: readonly Step[]): Job {
  const output = `needs.plan.outputs.${matrix}`;
  return {
    name: "${{ matrix.cell }}",
    needs,
    if: `\${{ ${output} != '[]' }}`,
    "runs-on": "${{ matrix.runner }}",
    "timeout-minutes": CELL_MINUTES,
    permissions: { contents: "read" },
    strategy: { "fail-fast": false, matrix: { include: `\${{ fromJSON(${output}) }}` } },
    steps: [
      ...prepare,
      installTools,
      ...steps,
      {
        name: "Keep the staged asset and its facts",
        uses: uses("actions/upload-artifact"),
        with: {
          name: "cell-${{ matrix.cell }}",
          path: "out/release",
          "compression-level": 0,
          "if-no-files-found": "error",
          "retention-days": 7,
        },
      },
      {
        name: "Keep the console of a failed boot",
        if: "${{ failure() }}",
        uses: uses("actions/upload-artifact"),
        with: {
          name: "console-${{ matrix.cell }}",
          path: "out/images/**/console.log",
          "if-no-files-found": "ignore",
          "retention-days": 7,
        },
      },
    ],
  };
}
