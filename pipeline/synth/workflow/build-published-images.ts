import { type HandedOn, KIND_NAMES, KINDS, type KindName, kindNamed } from "../../schema/kinds/index.ts";
import { uses } from "./actions.ts";
import { attest } from "./attest.ts";
import type { Job, Step, Workflow } from "./model.ts";
import { propose } from "./propose.ts";
import { publish } from "./publish.ts";
import { installTools, keep, prepare, program } from "./steps.ts";

/** The time limit of a cell's job. The longest part is an emulated boot on arm64. */
const CELL_MINUTES = 90;

/**
 * plan -> kernel -> base -> preset -> attest -> publish -> propose. `plan` refuses stale generated files and selects the
 * cells to build. The job of a cell builds, packs and boots it with the same command as on a laptop, and leaves it as an
 * artifact; it may only read. `publish` alone may write to the release. Nothing is taken from a cache between runs.
 */
export function buildPublishedImages(tag: string): Workflow {
  return {
    name: "build-published-images",
    on: {
      workflow_dispatch: {
        inputs: {
          presets: names("Presets"),
          flavors: names("Flavors"),
          archs: names("Archs"),
          empty: flag("Remove what earlier runs have left on the draft"),
          final: flag("Make the release public at the end, instead of leaving a draft"),
        },
      },
    },
    permissions: {},
    concurrency: { group: `build-published-images-${tag}`, "cancel-in-progress": false },
    jobs: {
      plan: {
        "runs-on": "ubuntu-24.04",
        "timeout-minutes": 15,
        permissions: { contents: "read" },
        outputs: {
          complete: "${{ steps.plan.outputs.complete }}",
          attestations: "${{ steps.plan.outputs.attestations }}",
          ...Object.fromEntries(
            Object.values(KINDS).map(({ matrix }) => [matrix, `\${{ steps.plan.outputs.${matrix} }}`]),
          ),
        },
        steps: [
          ...prepare,
          { name: "Check that generated files are up to date", run: program("synth --check") },
          {
            name: "Decide what to build",
            id: "plan",
            env: {
              PRESETS: "${{ inputs.presets }}",
              FLAVORS: "${{ inputs.flavors }}",
              ARCHS: "${{ inputs.archs }}",
            },
            run: program('plan --presets "$PRESETS" --flavors "$FLAVORS" --archs "$ARCHS"'),
          },
        ],
      },
      ...Object.fromEntries(KIND_NAMES.map((kind) => [kind, cellJob(kind, tag)])),
      attest,
      publish,
      propose,
    },
  };
}

const names = (what: string) =>
  ({ description: `${what}, separated by commas or spaces`, type: "string", default: "all" }) as const;
const flag = (description: string) => ({ description, type: "boolean", default: false }) as const;

/** `--as-declared` refuses overrides: what is cached, handed over or published must match its inputs hash. */
const runCell = (flags = ""): Step => ({
  name: "Build, boot and stage",
  env: { CELL: "${{ matrix.cell }}" },
  run: program(`cell "$CELL" --as-declared${flags && ` ${flags}`}`),
});

/** Keeps what a cell hands on to later jobs, as an artifact of the run. */
const handOver = ({ made, directory }: HandedOn): Step =>
  keep(`Upload the ${made} for later jobs`, "for-others-${{ matrix.cell }}", directory);

/** Downloads what the job of a cell of another kind has handed on. */
const takeOver = (kind: KindName, { taken, directory }: HandedOn): Step => ({
  name: `Download the ${taken}`,
  uses: uses("actions/download-artifact"),
  with: { name: `for-others-\${{ matrix.${kind} }}`, path: directory },
});

/** The steps that build a cell of a kind, with those that take what other jobs hand on and hand on its own result. */
function cellSteps(kind: KindName, below: readonly KindName[]): Step[] {
  const { handedOn: own } = kindNamed(kind);
  const taken = below.map((each) => [each, kindNamed(each).handedOn!] as const);
  const flags = [...taken.map(([, { flags }]) => flags), own?.flags].filter((each) => each !== undefined);
  return [
    ...taken.map(([each, handedOn]) => takeOver(each, handedOn)),
    runCell(flags.join(" ")),
    ...(own ? [handOver(own)] : []),
  ];
}

/** The job for the cells of one kind that `plan` selects. A failed cell does not cancel the others. */
function cellJob(kind: KindName, tag: string): Job {
  const { matrix, dependsOn } = kindNamed(kind);
  const below = KIND_NAMES.filter((each) => Object.hasOwn(dependsOn, each));
  const output = `needs.plan.outputs.${matrix}`;
  return {
    name: "${{ matrix.cell }}",
    needs: ["plan", ...below],
    // After a failed cell, only those that depend on it fail, because its artifact is missing. All others run.
    if: `\${{ !cancelled() && needs.plan.result == 'success' && ${output} != '[]' }}`,
    "runs-on": "${{ matrix.runner }}",
    "timeout-minutes": CELL_MINUTES,
    permissions: { contents: "read" },
    strategy: { "fail-fast": false, matrix: { include: `\${{ fromJSON(${output}) }}` } },
    steps: [
      ...prepare,
      installTools,
      ...cellSteps(kind, below),
      keep("Upload the staged asset and its facts", "cell-${{ matrix.cell }}", `out/release/${tag}`, {
        "compression-level": 0,
      }),
      {
        ...keep(
          "Upload the console of a failed boot",
          "console-${{ matrix.cell }}",
          "out/images/**/console*.log",
          {
            "if-no-files-found": "ignore",
          },
        ),
        if: "${{ failure() }}",
      },
    ],
  };
}
