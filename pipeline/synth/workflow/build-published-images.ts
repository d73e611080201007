import { type HandedOn, type KindName, kindNamed, PUBLISHED_KINDS } from "../../schema/kinds/index.ts";
import { uses } from "./actions.ts";
import { attest, attestManifest } from "./attest.ts";
import { manifest } from "./manifest.ts";
import type { Job, Step, Workflow } from "./model.ts";
import { propose } from "./propose.ts";
import { publish } from "./publish.ts";
import { installTools, keep, prepare, prepareWithoutScripts, program, token } from "./steps.ts";

/** The outputs of `plan` for the jobs that make container images of bases, and that download kernels. */
const CONTAINERS = "containers";
const FETCHED = "fetched";

/** The time limit of a cell's job. The longest part is an emulated boot on arm64. */
const CELL_MINUTES = 90;

/**
 * plan -> kernel -> base -> preset -> manifest -> attest -> publish -> propose. `plan` refuses stale generated files and selects the
 * cells to build. The job of a cell builds, packs and boots it with the same command as on a laptop, and leaves it as an
 * artifact; it may only read. The container images of bases are made while the kernels are compiled. `publish` alone may write to the release. Nothing is taken from a cache between runs.
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
          all: flag("Build every cell, even if none of its inputs changed"),
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
        // The attestations of an earlier release are read, to know what can be carried over.
        permissions: { contents: "read", attestations: "read" },
        outputs: {
          complete: "${{ steps.plan.outputs.complete }}",
          attestations: "${{ steps.plan.outputs.attestations }}",
          ...Object.fromEntries(
            [...PUBLISHED_KINDS.map((kind) => kindNamed(kind).matrix!), CONTAINERS, FETCHED].map((matrix) => [
              matrix,
              `\${{ steps.plan.outputs.${matrix} }}`,
            ]),
          ),
        },
        steps: [
          ...prepareWithoutScripts,
          { name: "Check that generated files are up to date", run: program("synth --check") },
          {
            name: "Decide what to build",
            id: "plan",
            env: {
              ...token,
              ALL: "${{ inputs.all && '--all' || '' }}",
              PRESETS: "${{ inputs.presets }}",
              FLAVORS: "${{ inputs.flavors }}",
              ARCHS: "${{ inputs.archs }}",
            },
            run: program(
              'plan --check-release --presets "$PRESETS" --flavors "$FLAVORS" --archs "$ARCHS" $ALL',
            ),
          },
        ],
      },
      fetch: fetchKernels,
      ...Object.fromEntries(
        PUBLISHED_KINDS.flatMap((kind) => [...stageJob(kind), [kind, cellJob(kind, tag)]]),
      ),
      manifest,
      attest,
      "attest-manifest": attestManifest,
      publish,
      propose,
    },
  };
}

const names = (what: string) =>
  ({ description: `${what}, separated by commas or spaces`, type: "string", default: "all" }) as const;
const flag = (description: string) => ({ description, type: "boolean", default: false }) as const;

/** `--as-declared` refuses overrides: what is handed over or published must match its inputs hash. */
const runCell = (title: string, flags: readonly (string | undefined)[]): Step => ({
  name: title,
  env: { CELL: "${{ matrix.cell }}" },
  run: program(["cell", '"$CELL"', "--as-declared", ...flags.filter((flag) => flag !== undefined)].join(" ")),
});

/** Keeps what a cell hands on to later jobs, as an artifact of the run. */
const handOver = ({ made, directory }: HandedOn): Step =>
  keep(`Upload the ${made} for later jobs`, "for-others-${{ matrix.cell }}", directory);

/** Downloads what was handed on for a cell: this one, or the one of another kind below it. */
const takeOver = (cell: "cell" | KindName, { taken, directory }: HandedOn): Step => ({
  name: `Download the ${taken}`,
  uses: uses("actions/download-artifact"),
  with: { name: `for-others-\${{ matrix.${cell} }}`, path: directory },
});

/** The kinds of the cells that a cell of this kind depends on. */
const kindsBelow = (kind: KindName): KindName[] =>
  PUBLISHED_KINDS.filter((each) => Object.hasOwn(kindNamed(kind).dependsOn, each));

/** The steps that build a cell of a kind, with those that take what other jobs hand on and hand on its own result. */
function cellSteps(kind: KindName): Step[] {
  const { handedOn: own } = kindNamed(kind);
  const below = kindsBelow(kind).map((each) => [each, kindNamed(each).handedOn!] as const);
  const flags = [...below.map(([, { flags }]) => flags), own?.flags];
  const madeBefore = own?.stage !== undefined;
  return [
    ...below.map(([each, handedOn]) => takeOver(each, handedOn)),
    ...(own && madeBefore ? [takeOver("cell", own)] : []),
    runCell("Build, boot and stage", flags),
    ...(own && !madeBefore ? [handOver(own)] : []),
  ];
}

/** The parts of a job that are the same for all that make something of the cells of one kind that `plan` selects. */
function jobOf(matrix: string): Pick<Job, "if" | "runs-on" | "timeout-minutes" | "permissions" | "strategy"> {
  const output = `needs.plan.outputs.${matrix}`;
  return {
    // After a failed job, only those that need its artifact fail. All others run.
    if: `\${{ !cancelled() && needs.plan.result == 'success' && ${output} != '[]' }}`,
    "runs-on": "${{ matrix.runner }}",
    "timeout-minutes": CELL_MINUTES,
    permissions: { contents: "read" },
    // A failed cell does not cancel the others.
    strategy: { "fail-fast": false, matrix: { include: `\${{ fromJSON(${output}) }}` } },
  };
}

/** The job that makes what cells of a kind hand on, by its name; none if their own jobs make it. */
function stageJob(kind: KindName): [string, Job][] {
  const { handedOn } = kindNamed(kind);
  if (!handedOn?.stage) return [];
  const { stage, made, flags, stageFlags } = handedOn;
  const job = {
    name: `${stage} of \${{ matrix.cell }}`,
    needs: ["plan"],
    ...jobOf(CONTAINERS),
    steps: [
      ...prepare,
      installTools,
      runCell(`Build the ${made}`, [`--stage ${stage}`, flags, stageFlags]),
      handOver(handedOn),
    ],
  };
  return [[stage, job]];
}

/** The jobs that hand something on to the cells of a kind. */
function neededFor(kind: KindName): string[] {
  const stageOf = (each: KindName) => [kindNamed(each).handedOn?.stage ?? []].flat();
  // What a stage makes is there without the cell itself, which may be carried over.
  const below = kindsBelow(kind).flatMap((each) => [each, ...stageOf(each)]);
  return [...(below.includes("kernel") ? ["fetch"] : []), ...below, ...stageOf(kind)];
}

/** Downloads the kernels that are carried over, and that boot what is built, for the jobs of these cells. */
const fetchKernels: Job = {
  name: "fetch ${{ matrix.cell }}",
  needs: ["plan"],
  ...jobOf(FETCHED),
  "timeout-minutes": 15,
  permissions: { contents: "read" },
  steps: [
    ...prepareWithoutScripts,
    {
      name: "Download the kernel of the last release",
      env: { ...token, CELL: "${{ matrix.cell }}" },
      run: program('release fetch "$CELL"'),
    },
    handOver(kindNamed("kernel").handedOn!),
  ],
};

/** The job for the cells of one kind that `plan` selects. */
function cellJob(kind: KindName, tag: string): Job {
  return {
    name: "${{ matrix.cell }}",
    needs: ["plan", ...neededFor(kind)],
    ...jobOf(kindNamed(kind).matrix!),
    steps: [
      ...prepare,
      installTools,
      ...cellSteps(kind),
      keep("Upload the staged asset and its facts", "cell-${{ matrix.cell }}", `out/release/${tag}`, {
        "compression-level": 0,
      }),
      // Without the inventories, which are large.
      keep(
        "Upload the facts for the manifest",
        "facts-${{ matrix.cell }}",
        `out/release/${tag}/*.json\n!out/release/${tag}/*.cdx.json`,
      ),
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
