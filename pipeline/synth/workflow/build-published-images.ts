import { type HandedOn, KIND_NAMES, KINDS, type KindName, kindNamed } from "../../schema/kinds/index.ts";
import { uses } from "./actions.ts";
import { attest } from "./attest.ts";
import type { Job, Step, Workflow } from "./model.ts";
import { publish } from "./publish.ts";
import { installTools, keep, prepare, program, token } from "./steps.ts";

/** The time limit of a cell's job. The longest part is an emulated boot on arm64. */
const CELL_MINUTES = 90;

/**
 * plan -> kernel -> base -> preset -> attest -> publish. `plan` refuses stale generated files, selects the cells to build
 * and creates the draft. The job of a cell builds, packs and boots it with the same command as on a laptop, without a
 * token, and then uploads it to the draft. Digests are recorded, and the release is made public, only when every asset is
 * on the draft.
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
        permissions: { contents: "write" },
        outputs: {
          "release-id": "${{ steps.draft.outputs.release-id }}",
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
          {
            name: "Find or create the draft",
            id: "draft",
            env: { ...token, EMPTY: "${{ inputs.empty && '--empty' || '' }}" },
            run: program("release prepare --store github $EMPTY"),
          },
        ],
      },
      ...Object.fromEntries(KIND_NAMES.map((kind) => [kind, cellJob(kind)])),
      attest,
      publish,
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

/** The only step of a cell with a token. Assets that the draft has already, with the same bytes, are not uploaded again. */
const upload: Step = {
  name: "Upload to the draft",
  env: { ...token, CELL: "${{ matrix.cell }}", RELEASE_ID: "${{ needs.plan.outputs.release-id }}" },
  run: program('cell "$CELL" --stage upload --store github --release-id "$RELEASE_ID"'),
};

/** Keeps what a cell hands on to later jobs, as an artifact of the run. */
const handOver = ({ made, directory }: HandedOn): Step =>
  keep(`Upload the ${made} for later jobs`, "for-others-${{ matrix.cell }}", directory, {
    "retention-days": 1,
  });

/** Downloads what the job of a cell of another kind has handed on. */
const takeOver = (kind: KindName, { taken, directory }: HandedOn): Step => ({
  name: `Download the ${taken}`,
  uses: uses("actions/download-artifact"),
  with: { name: `for-others-\${{ matrix.${kind} }}`, path: directory },
});

/** Restores what an earlier run has made from the same inputs. */
const takeCached = ({ made, directory }: HandedOn): Step => ({
  name: `Restore the cached ${made} of these inputs`,
  uses: uses("actions/cache"),
  with: { path: directory, key: "${{ matrix.cell }}-${{ matrix.inputs }}" },
});

/** The steps that build a cell of a kind, with those that take what other jobs hand on and hand on its own result. */
function cellSteps(kind: KindName, below: readonly KindName[]): Step[] {
  const { handedOn: own } = kindNamed(kind);
  const taken = below.map((each) => [each, kindNamed(each).handedOn!] as const);
  const flags = [...taken.map(([, { flags }]) => flags), own?.flags].filter((each) => each !== undefined);
  return [
    ...(own?.cached ? [takeCached(own)] : []),
    ...taken.map(([each, handedOn]) => takeOver(each, handedOn)),
    runCell(flags.join(" ")),
    ...(own ? [handOver(own)] : []),
  ];
}

/** The job for the cells of one kind that `plan` selects. A failed cell does not cancel the others. */
function cellJob(kind: KindName): Job {
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
    permissions: { contents: "write" },
    strategy: { "fail-fast": false, matrix: { include: `\${{ fromJSON(${output}) }}` } },
    steps: [
      ...prepare,
      installTools,
      ...cellSteps(kind, below),
      keep("Upload the staged asset and its facts", "cell-${{ matrix.cell }}", "out/release", {
        "compression-level": 0,
      }),
      keep("Upload the facts alone, for the gate", "facts-${{ matrix.cell }}", "out/release/**/*.json"),
      upload,
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
