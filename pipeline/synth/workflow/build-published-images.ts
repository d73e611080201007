import { uses } from "./actions.ts";
import { attest } from "./attest.ts";
import type { Job, Step, Workflow } from "./model.ts";
import { installTools, prepare } from "./steps.ts";

/** Where a base's container image is handed from its job to the jobs of the presets on it. */
const BASES = "out/cache/bases";
/** Where a kernel is handed from its job to those that boot with it, and from one run to the next. */
const KERNELS = "out/cache/kernels";

/** Downloads are bounded by the artifacts' size; an emulated boot on arm64 takes the longest. */
const CELL_MINUTES = 90;

/**
 * plan -> kernel -> base -> preset -> attest. `plan` refuses a stale tree and says which cells must be built; every
 * cell is then built, packed and boot-verified by the command that a laptop runs, without a token.
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
        outputs: {
          attestations: "${{ steps.plan.outputs.attestations }}",
          kernels: "${{ steps.plan.outputs.kernels }}",
          bases: "${{ steps.plan.outputs.bases }}",
          presets: "${{ steps.plan.outputs.presets }}",
        },
        steps: [
          ...prepare,
          { name: "Refuse a stale tree", run: "npm run -s synth -- --check" },
          { name: "Decide what to build", id: "plan", run: "npm run -s plan" },
        ],
      },
      kernel: cellJob(
        "kernels",
        ["plan"],
        [
          {
            name: "Take the kernel of these inputs, if one was ever compiled",
            uses: uses("actions/cache"),
            with: { path: KERNELS, key: "${{ matrix.cell }}-${{ matrix.inputs }}" },
          },
          // What is cached under the inputs' name is what they name.
          runCell("--as-declared"),
          handOver("kernel", "${{ matrix.cell }}", KERNELS),
        ],
      ),
      base: cellJob(
        "bases",
        ["plan", "kernel"],
        [
          takeOver("kernel", "${{ matrix.kernel }}", KERNELS),
          runCell(`--bases ${BASES}`),
          handOver("container image", "${{ matrix.cell }}", BASES),
        ],
      ),
      preset: cellJob(
        "presets",
        ["plan", "kernel", "base"],
        [
          takeOver("kernel", "${{ matrix.kernel }}", KERNELS),
          takeOver("base's container image", "${{ matrix.base }}", BASES),
          runCell(`--bases ${BASES}`),
        ],
      ),
      attest,
    },
  };
}

const runCell = (flags: string): Step => ({
  name: "Build, boot and stage",
  env: { CELL: "${{ matrix.cell }}" },
  run: `npm run -s cell -- "$CELL" ${flags}`,
});

/** What a cell leaves for the jobs after it, as an artifact of the run. */
const handOver = (what: string, cell: string, path: string): Step => ({
  name: `Hand over the ${what}`,
  uses: uses("actions/upload-artifact"),
  with: { name: `for-others-${cell}`, path, "if-no-files-found": "error", "retention-days": 1 },
});

const takeOver = (what: string, cell: string, path: string): Step => ({
  name: `Take over the ${what}`,
  uses: uses("actions/download-artifact"),
  with: { name: `for-others-${cell}`, path },
});

/** One job per entry of a matrix that `plan` put out. A failed cell keeps the others' work. */
function cellJob(
  matrix: "kernels" | "bases" | "presets",
  needs: readonly string[],
  steps: readonly Step[],
): Job {
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
          path: "out/images/**/console*.log",
          "if-no-files-found": "ignore",
          "retention-days": 7,
        },
      },
    ],
  };
}
