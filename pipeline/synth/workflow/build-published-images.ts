import { type HandedOn, KIND_NAMES, KINDS, type KindName, kindNamed } from "../../schema/kinds/index.ts";
import { uses } from "./actions.ts";
import { attest } from "./attest.ts";
import type { Job, Step, Workflow } from "./model.ts";
import { publish } from "./publish.ts";
import { installTools, keep, prepare, program, token } from "./steps.ts";

/** Downloads are bounded by the artifacts' size; an emulated boot on arm64 takes the longest. */
const CELL_MINUTES = 90;

/**
 * plan -> kernel -> base -> preset -> attest -> publish. `plan` refuses a stale tree, says which cells must be built
 * and creates the one draft; every cell is then built, packed and boot-verified by the command that a laptop runs,
 * without a token, and uploaded to that draft. Nothing is public, and no digest is recorded, unless all are there.
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
          { name: "Refuse a stale tree", run: program("synth --check") },
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

/** What is cached, handed over or published under the inputs' name is what they name. */
const runCell = (flags = ""): Step => ({
  name: "Build, boot and stage",
  env: { CELL: "${{ matrix.cell }}" },
  run: program(`cell "$CELL" --as-declared${flags && ` ${flags}`}`),
});

/** The one step of a cell that has a token. What is on the draft already, with the same bytes, is not sent again. */
const upload: Step = {
  name: "Upload to the draft",
  env: { ...token, CELL: "${{ matrix.cell }}", RELEASE_ID: "${{ needs.plan.outputs.release-id }}" },
  run: program('cell "$CELL" --stage upload --store github --release-id "$RELEASE_ID"'),
};

/** What a cell leaves for the jobs after it, as an artifact of the run. */
const handOver = ({ made, directory }: HandedOn): Step =>
  keep(`Hand over the ${made}`, "for-others-${{ matrix.cell }}", directory, { "retention-days": 1 });

/** What the job of a cell of another kind has left for this one. */
const takeOver = (kind: KindName, { taken, directory }: HandedOn): Step => ({
  name: `Take over the ${taken}`,
  uses: uses("actions/download-artifact"),
  with: { name: `for-others-\${{ matrix.${kind} }}`, path: directory },
});

/** What an earlier run has made from the same inputs. */
const takeCached = ({ made, directory }: HandedOn): Step => ({
  name: `Take the ${made} of these inputs, if one was ever compiled`,
  uses: uses("actions/cache"),
  with: { path: directory, key: "${{ matrix.cell }}-${{ matrix.inputs }}" },
});

/** What a cell of a kind is run with: what others hand to it, and what it hands on itself. */
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

/** One job per cell of a kind that `plan` wants built. A failed cell keeps the others' work. */
function cellJob(kind: KindName): Job {
  const { matrix, dependsOn } = kindNamed(kind);
  const below = KIND_NAMES.filter((each) => Object.hasOwn(dependsOn, each));
  const output = `needs.plan.outputs.${matrix}`;
  return {
    name: "${{ matrix.cell }}",
    needs: ["plan", ...below],
    // A failed cell takes with it those that lean on it, and no others: they miss what it would have handed over.
    if: `\${{ !cancelled() && needs.plan.result == 'success' && ${output} != '[]' }}`,
    "runs-on": "${{ matrix.runner }}",
    "timeout-minutes": CELL_MINUTES,
    permissions: { contents: "write" },
    strategy: { "fail-fast": false, matrix: { include: `\${{ fromJSON(${output}) }}` } },
    steps: [
      ...prepare,
      installTools,
      ...cellSteps(kind, below),
      keep("Keep the staged asset and its facts", "cell-${{ matrix.cell }}", "out/release", {
        "compression-level": 0,
      }),
      keep("Keep the facts alone, for the gate", "facts-${{ matrix.cell }}", "out/release/**/*.json"),
      upload,
      {
        ...keep(
          "Keep the console of a failed boot",
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
