import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { registerLogger } from "@actions/languageservice/log";
import { validate } from "@actions/languageservice/validate";
import { describe, expect, it } from "vitest";
import { TextDocument } from "vscode-languageserver-textdocument";
import { parse } from "yaml";
import { VERBS } from "../../../pipeline/cli/pipeline/verbs.ts";
import { synth } from "../../../pipeline/synth/synth.ts";
import { ONLY_FILES } from "../../../pipeline/synth/workflow/attest.ts";
import type { Job, Step, Workflow } from "../../../pipeline/synth/workflow/model.ts";
import { tempDirectory } from "../../support/run.ts";
import { projectApp } from "../../support/tree.ts";

const output = synth(projectApp());
const workflows = [...output].filter(([path]) => path.startsWith(".github/workflows/"));
const published = output.get(".github/workflows/build-published-images.yml")!;

// The validator swallows its own failures and then finds nothing wrong: they count as findings here.
const crashes: string[] = [];
const ignore = () => {};
registerLogger({ error: (message) => void crashes.push(message), warn: ignore, info: ignore, log: ignore });

let documents = 0;
/** What GitHub's own validator finds wrong with a workflow. */
async function problems(text: string): Promise<string[]> {
  // It remembers a document by its address: the same address twice would give the first one's findings.
  const uri = `file:///.github/workflows/${documents++}.yml`;
  const found = await validate(TextDocument.create(uri, "yaml", 1, text));
  return [...found.map(({ message }) => String(message)), ...crashes.splice(0)];
}

const jobsOf = (text: string): [string, Job][] => Object.entries((parse(text) as Workflow).jobs);
const stepsOf = (text: string) => jobsOf(text).flatMap(([, job]) => job.steps);
const namesOf = (text: string, breaks: (job: Job) => boolean) =>
  jobsOf(text).flatMap(([name, job]) => (breaks(job) ? [name] : []));

/** The permissions of each job that has others than `contents: read`. */
const PERMISSIONS: Readonly<Record<string, string>> = {
  attest: "id-token: write,attestations: write",
  "attest-manifest": "id-token: write,attestations: write",
  plan: "contents: read,attestations: read",
  publish: "contents: write,attestations: read",
  propose: "contents: write,pull-requests: write",
  write: "contents: write,pull-requests: write,issues: write",
  comment: "contents: read,pull-requests: write",
};

/** The jobs with a token, and the one whose result is signed: none of them runs what a package brings along. */
const CAREFUL = new Set(["plan", "fetch", "manifest", "publish", "propose", "look", "write", "comment"]);
/** The jobs that have a token to read releases with, and to do nothing else. */
const READERS = new Set(["plan", "fetch", "look"]);

const hasToken = ({ env }: Step) => env?.GITHUB_TOKEN === "${{ github.token }}";

/** Rules of our own: each gives what breaks it. */
const RULES: Record<string, (text: string) => string[]> = {
  "every action is pinned by commit, with its version as a comment": (text) =>
    text
      .split("\n")
      .filter((line) => /^\s*(- )?uses:/.test(line))
      .filter((line) => !/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line)),
  "no script holds an expression": (text) =>
    stepsOf(text).flatMap(({ run }) => (run?.includes("${{") ? [run] : [])),
  "every job is bounded in time": (text) => namesOf(text, (job) => !(job["timeout-minutes"] > 0)),
  "no matrix stops at the first cell that fails": (text) =>
    namesOf(text, ({ strategy }) => strategy !== undefined && strategy["fail-fast"] !== false),
  "each job has the permissions of its task: to read, to sign, to publish, or to propose": (text) =>
    jobsOf(text).flatMap(([name, { permissions }]) => {
      const asked = Object.entries(permissions).map(([permission, access]) => `${permission}: ${access}`);
      return asked.join() === (PERMISSIONS[name] ?? "contents: read") ? [] : [`${name}: ${asked}`];
    }),
  "a job without a permission to write has no token, except to read releases": (text) =>
    jobsOf(text).flatMap(([name, { steps }]) =>
      READERS.has(name) || /(contents|pull-requests): write/.test(PERMISSIONS[name] ?? "")
        ? []
        : steps.flatMap((step) => (hasToken(step) ? [name] : [])),
    ),
  "what may sign runs none of our code": (text) =>
    namesOf(
      text,
      ({ permissions, steps }) =>
        "id-token" in permissions && steps.some(({ run }) => run && run !== ONLY_FILES),
    ),
  "what is signed is looked at first": (text) =>
    namesOf(text, ({ permissions, steps }) => {
      const signs = steps.findIndex(({ uses }) => uses?.startsWith("actions/attest@"));
      return "id-token" in permissions && !steps.slice(0, signs).some(({ run }) => run === ONLY_FILES);
    }),
  "what may write or is signed comes from no script of a package, no container and no machine": (text) =>
    jobsOf(text).flatMap(([name, { permissions, steps }]) =>
      permissions.contents === "write" || CAREFUL.has(name)
        ? steps.flatMap(({ run }) =>
            run === undefined ||
            /^(npm ci --omit=dev --ignore-scripts$|npx --no -- smolvm-images (release|plan|synth|drift) )/.test(
              run,
            ) ||
            // Debian's archive is read with mmdebstrap, of the runner's distribution.
            (name === "look" && run === "npx --no -- smolvm-images setup")
              ? []
              : [`${name}: ${run}`],
          )
        : [],
    ),
  "nothing of a release comes from a cache": (text) =>
    (parse(text) as Workflow).name === "build-published-images"
      ? stepsOf(text).flatMap((step) =>
          step.uses?.startsWith("actions/cache@") || step.with?.cache !== undefined ? [step.uses!] : [],
        )
      : [],
  "what no job asks for is granted to none": (text) => {
    const { permissions } = parse(text) as Workflow;
    return JSON.stringify(permissions) === "{}" ? [] : [`permissions: ${JSON.stringify(permissions)}`];
  },
  "no checkout leaves a token behind": (text) =>
    stepsOf(text)
      .filter(({ uses }) => uses?.startsWith("actions/checkout@"))
      .flatMap((step) => (step.with?.["persist-credentials"] === false ? [] : [step.uses!])),
  "the token reaches the steps that talk to GitHub, and nothing else": (text) => {
    const given = stepsOf(text).filter(hasToken);
    const talk =
      /^npx --no -- smolvm-images (release |plan --(check-release |comment$)|drift --(save|propose) )/;
    const strangers = given.flatMap(({ run, name }) => (talk.test(run ?? "") ? [] : [name ?? "?"]));
    const elsewhere = (text.match(/secrets\.\w+|github\.token/g) ?? []).slice(given.length);
    return [...strangers, ...elsewhere];
  },
};

describe.each(workflows)("%s", (_, text) => {
  it("passes GitHub's validator", async () => {
    expect(await problems(text)).toEqual([]);
  });

  it.each(Object.keys(RULES))("%s", (rule) => {
    expect(RULES[rule]!(text)).toEqual([]);
  });

  it("names only commands that the program has, and scripts that a project may have", () => {
    const runs = stepsOf(text).flatMap(({ run }) => run ?? []);
    const verbs = runs.flatMap((run) => /smolvm-images ([\w-]+)/.exec(run)?.[1] ?? []);
    expect(verbs).not.toEqual([]);
    expect(verbs.filter((verb) => !Object.hasOwn(VERBS, verb))).toEqual([]);
    const rest = runs.filter((run) => !run.startsWith("npx --no -- smolvm-images "));
    const known = /^npm (ci( --omit=dev --ignore-scripts)?|run --if-present \w+|test --if-present)$/;
    expect(rest.filter((run) => !known.test(run) && run !== ONLY_FILES)).toEqual([]);
  });
});

/**
 * Who may do what in a release, from the generated YAML. `installs`: the packages of the job, and whether their install
 * scripts run. `runs`: the verbs of our program; `cell` also runs the code of presets' packages, in Docker and in QEMU.
 */
const TABLE = `
job             | permissions                           | installs                    | runs                            | token for                       | environment | cache
plan            | contents: read, attestations: read    | for production, scripts off | synth, plan                     | plan                            |             |
fetch           | contents: read                         | for production, scripts off | release fetch                   | release fetch                   |             |
kernel          | contents: read                        | all, scripts run            | setup, cell                     |                                 |             |
container       | contents: read                        | all, scripts run            | setup, cell                     |                                 |             |
base            | contents: read                        | all, scripts run            | setup, cell                     |                                 |             |
preset          | contents: read                        | all, scripts run            | setup, cell                     |                                 |             |
manifest        | contents: read                        | for production, scripts off | release manifest                |                                 |             |
attest          | id-token: write, attestations: write  |                             |                                 |                                 |             |
attest-manifest | id-token: write, attestations: write  |                             |                                 |                                 |             |
publish         | contents: write, attestations: read   | for production, scripts off | release publish, release verify | release publish, release verify | release     |
propose         | contents: write, pull-requests: write | for production, scripts off | release propose                 | release propose                 | release     |
`;

/** What the program does in a step: its verb, with the verb below `release`. */
const verbOf = ({ run = "" }: Step) => / smolvm-images ((?:release )?[\w-]+)/.exec(run)?.[1];

function tableOf(text: string): string[][] {
  const installs = (steps: readonly Step[]) =>
    steps.flatMap(({ run = "" }) =>
      run.startsWith("npm ")
        ? [run === "npm ci --omit=dev --ignore-scripts" ? "for production, scripts off" : "all, scripts run"]
        : [],
    );
  const caches = ({ uses = "", with: given }: Step) =>
    uses.startsWith("actions/cache@") || given?.cache !== undefined;
  return jobsOf(text).map(([name, { permissions, steps, environment = "" }]) =>
    [
      [name],
      Object.entries(permissions).map(([permission, access]) => `${permission}: ${access}`),
      installs(steps),
      steps.flatMap((step) => verbOf(step) ?? []),
      steps.filter(hasToken).flatMap((step) => verbOf(step) ?? step.uses ?? step.run ?? "?"),
      [environment],
      steps.filter(caches).map(({ uses = "?" }) => uses),
    ].map((each) => each.join(", ")),
  );
}

function rowsOf(text: string): string[][] {
  const [, ...rows] = text.trim().split("\n");
  return rows.map((row) => row.split("|").map((cell) => cell.trim()));
}

/** The same for `drift`, which runs nothing of the packages that it proposes. */
const DRIFT_TABLE = `
job   | permissions                                          | installs                    | runs                | token for | environment | cache
look  | contents: read                                       | for production, scripts off | synth, setup, drift | drift     |             |
write | contents: write, pull-requests: write, issues: write | for production, scripts off | drift               | drift     |             |
`;

const COMMENT_TABLE = `
job     | permissions                                | installs                    | runs | token for | environment | cache
comment | contents: read, pull-requests: write       | for production, scripts off | plan | plan      |             |
`;

describe("pull-request-comment", () => {
  const text = output.get(".github/workflows/pull-request-comment.yml")!;

  it("gives its job what the table says, and nothing else", () => {
    expect(tableOf(text)).toEqual(rowsOf(COMMENT_TABLE));
  });

  it("may write on pull requests from forks, so it checks out the base branch, and nothing of the pull request", () => {
    expect((parse(text) as Workflow).on).toEqual({ pull_request_target: null });
    const checkouts = stepsOf(text).filter(({ uses }) => uses?.startsWith("actions/checkout@"));
    // Without `ref` and `repository`, that is the base branch.
    expect(checkouts.map((step) => step.with)).toEqual([{ "persist-credentials": false }]);
    expect(stepsOf(text).filter(({ uses }) => /(download-artifact|cache)@/.test(uses ?? ""))).toEqual([]);
    // Its number alone is used, and in no script.
    expect(text.match(/github\.(event|head)[\w.]*/g)).toEqual(["github.event.pull_request.number"]);
  });

  it("is the only workflow that runs with rights for anybody's pull request", () => {
    const targets = workflows.filter(
      ([, each]) => "pull_request_target" in ((parse(each) as Workflow).on ?? {}),
    );
    expect(targets.map(([path]) => path)).toEqual([".github/workflows/pull-request-comment.yml"]);
  });
});

describe("drift", () => {
  const text = output.get(".github/workflows/drift.yml")!;
  const { on, jobs } = parse(text) as Workflow;

  it("gives each job what the table says, and nothing else", () => {
    expect(tableOf(text)).toEqual(rowsOf(DRIFT_TABLE));
  });

  it("runs once a week, or when a maintainer starts it", () => {
    expect(on).toEqual({
      schedule: [{ cron: expect.stringMatching(/^\d+ \d+ \* \* [0-6]$/) }],
      workflow_dispatch: null,
    });
  });

  it("hands over the report as data, outside of the checkout's files", () => {
    const withOf = (job: Job | undefined, action: string) =>
      job?.steps.find(({ uses }) => uses?.startsWith(`actions/${action}@`))?.with;
    const given = withOf(jobs.look, "upload-artifact");
    expect(jobs.write?.needs).toEqual(["look"]);
    expect(withOf(jobs.write, "download-artifact")).toEqual({ name: given?.name, path: "drift" });
    expect(jobs.look?.steps.find(hasToken)?.run).toMatch(new RegExp(` drift --save ${given?.path}$`));
    expect(jobs.write?.steps.find(hasToken)?.run).toMatch(
      new RegExp(` drift --propose drift/${given?.path}$`),
    );
  });
});

describe("build-published-images", () => {
  const { jobs } = parse(published) as Workflow;

  it("gives each job what the table says, and nothing else", () => {
    expect(tableOf(published)).toEqual(rowsOf(TABLE));
  });

  it("plans first, then builds the kernels, the bases, and the presets on them; what is attested is published", () => {
    expect(Object.keys(jobs)).toEqual([
      ...["plan", "fetch", "kernel", "container", "base", "preset", "manifest", "attest", "attest-manifest"],
      ...["publish", "propose"],
    ]);
    expect(jobs.propose?.needs).toEqual(["publish"]);
    expect(jobs.publish?.needs).toEqual([
      ...["plan", "kernel", "base", "preset", "attest", "attest-manifest"],
    ]);
    expect(jobs.plan?.needs).toBeUndefined();
    expect(jobs.kernel?.needs).toEqual(["plan"]);
    // What takes longest, a kernel, is compiled while the bases' container images are built.
    expect(jobs.container?.needs).toEqual(["plan"]);
    expect(jobs.fetch?.needs).toEqual(["plan"]);
    expect(jobs.base?.needs).toEqual(["plan", "fetch", "kernel", "container"]);
    // A base that is carried over is not built, but its container image is.
    expect(jobs.preset?.needs).toEqual(["plan", "fetch", "kernel", "base", "container"]);
  });

  it("builds what the plan says, each cell in a job of its own", () => {
    const matrixOf = (job: Job | undefined) => job?.strategy?.matrix.include;
    expect(matrixOf(jobs.kernel)).toBe("${{ fromJSON(needs.plan.outputs.kernels) }}");
    expect(matrixOf(jobs.fetch)).toBe("${{ fromJSON(needs.plan.outputs.fetched) }}");
    expect(matrixOf(jobs.container)).toBe("${{ fromJSON(needs.plan.outputs.containers) }}");
    expect(matrixOf(jobs.base)).toBe("${{ fromJSON(needs.plan.outputs.bases) }}");
    expect(matrixOf(jobs.preset)).toBe("${{ fromJSON(needs.plan.outputs.presets) }}");
    expect(Object.keys(jobs.plan?.outputs ?? {})).toEqual([
      ...["complete", "attestations", "kernels", "bases", "presets", "containers", "fetched"],
    ]);
  });

  it("refuses a stale tree before anything is built", () => {
    expect(jobs.plan?.steps.map(({ run }) => run)).toContain("npx --no -- smolvm-images synth --check");
  });

  const withOf = (job: Job | undefined, action: string) =>
    job?.steps.flatMap((step) => (step.uses?.startsWith(action) ? [step.with!] : [])) ?? [];

  it.each([
    ["the kernel", "kernel", "base", "${{ matrix.kernel }}"],
    ["the kernel of a release", "fetch", "base", "${{ matrix.kernel }}"],
    ["the kernel of a release", "fetch", "preset", "${{ matrix.kernel }}"],
    ["the kernel", "kernel", "preset", "${{ matrix.kernel }}"],
    ["the base's container image", "container", "base", "${{ matrix.cell }}"],
    ["the base's container image", "container", "preset", "${{ matrix.base }}"],
  ])("hands %s of %s to %s under one name and path", (_, from, to, cell) => {
    const [given] = withOf(jobs[from], "actions/upload-artifact");
    const taken = withOf(jobs[to], "actions/download-artifact").find(({ name }) => `${name}`.includes(cell));
    expect(taken?.name).toBe(`${given?.name}`.replace("${{ matrix.cell }}", cell));
    expect(taken?.path).toBe(given?.path);
  });

  it("hands over and stages only what was made as declared", () => {
    for (const job of [jobs.kernel, jobs.container, jobs.base, jobs.preset])
      expect(job?.steps.find(({ env }) => env?.CELL)?.run).toContain(" --as-declared");
  });

  it("keeps what it hands over as long as what it stages, so that a failed job can be run again", () => {
    const kept = Object.values(jobs).flatMap((job) => withOf(job, "actions/upload-artifact"));
    expect(new Set(kept.map((each) => each["retention-days"]))).toEqual(new Set([30]));
  });

  it("publishes what every cell staged, in an environment whose rules the repository sets", () => {
    const staged = withOf(jobs.preset, "actions/upload-artifact").find(({ name }) =>
      `${name}`.startsWith("cell-"),
    );
    expect(staged).toMatchObject({
      name: "cell-${{ matrix.cell }}",
      path: expect.stringMatching(/^out\/release\/images-v/),
    });
    expect(withOf(jobs.publish, "actions/download-artifact")).toEqual([
      { pattern: "cell-*", path: "staged" },
      { pattern: "attestation-*", path: "attested" },
    ]);
    expect(jobs.publish?.environment).toBe("release");
    expect(jobs.publish?.steps.find(hasToken)?.run).toContain(
      "release publish --store github --carry --artifacts staged --attestations attested ",
    );
  });

  it.each<[string, (directory: string) => void, number]>([
    ["regular files", (directory) => writeFileSync(join(directory, "asset"), ""), 0],
    ["a directory", (directory) => mkdirSync(join(directory, "asset")), 1],
    ["a link", (directory) => symlinkSync("/etc/passwd", join(directory, "asset")), 1],
  ])("lets files be signed, and nothing else: %s", (_, put, code) => {
    const directory = tempDirectory();
    mkdirSync(join(directory, "staged"));
    put(join(directory, "staged"));
    expect(spawnSync("bash", ["-eo", "pipefail", "-c", ONLY_FILES], { cwd: directory }).status).toBe(code);
  });

  it("attests the origin and the inventory of what every cell staged, in a job that alone may sign", () => {
    const signing = Object.entries(jobs).filter(([, { permissions }]) => permissions["id-token"] === "write");
    expect(signing.map(([name]) => name)).toEqual(["attest", "attest-manifest"]);
    expect(jobs.attest?.needs).toEqual(["plan", "kernel", "base", "preset"]);
    const staged = withOf(jobs.base, "actions/upload-artifact").find(({ path }) =>
      `${path}`.startsWith("out/release/"),
    );
    const [taken] = withOf(jobs.attest, "actions/download-artifact");
    expect(taken).toEqual({ name: staged?.name, path: "staged" });
    expect(withOf(jobs.attest, "actions/attest")).toEqual([
      { "subject-path": "${{ matrix.subjects }}", "sbom-path": "${{ matrix.sbom }}" },
      { "subject-path": "${{ matrix.files }}" },
    ]);
  });

  it("attests the manifest that a job makes from every cell's facts, if all cells are built", () => {
    const facts = withOf(jobs.preset, "actions/upload-artifact").find(({ name }) =>
      `${name}`.startsWith("facts-"),
    );
    expect(facts?.path).toMatch(
      /^out\/release\/images-v[^/]*\/\*\.json\n!out\/release\/images-v[^/]*\/\*\.cdx\.json$/,
    );
    expect(withOf(jobs.manifest, "actions/download-artifact")).toEqual([
      { pattern: "facts-*", path: "facts" },
    ]);
    expect(jobs.manifest?.if).toContain("needs.plan.outputs.complete == 'true'");
    const [made] = withOf(jobs.manifest, "actions/upload-artifact");
    const [taken] = withOf(jobs["attest-manifest"], "actions/download-artifact");
    expect([taken?.name, jobs["attest-manifest"]?.needs]).toEqual([made?.name, ["manifest"]]);
    expect(withOf(jobs["attest-manifest"], "actions/attest")).toEqual([
      { "subject-path": `${taken?.path}/${made?.path}` },
    ]);
  });

  it.each(["attest", "attest-manifest"])("leaves the attestations of %s for publish", (name) => {
    const job = jobs[name]!;
    const signed = job.steps.find(({ id }) => id === "provenance");
    expect(signed?.uses).toMatch(/^actions\/attest@/);
    const [left] = withOf(job, "actions/upload-artifact");
    expect(left).toMatchObject({
      name: expect.stringMatching(/^attestation-/),
      path: "${{ steps.provenance.outputs.bundle-path }}",
    });
    const publish = jobs.publish?.steps.find(hasToken);
    expect(publish?.env?.WITHHELD).toContain(`needs.${name}.result != 'success'`);
  });

  it("takes the cell into its script from the environment alone", () => {
    const building = [jobs.kernel, jobs.container, jobs.base, jobs.preset].map((job) =>
      job?.steps.find(({ env }) => env?.CELL),
    );
    for (const step of building) {
      expect(step?.env?.CELL).toBe("${{ matrix.cell }}");
      expect(step?.run).toContain('"$CELL"');
    }
  });
});

/** The published workflow with one mistake in it. */
function planted(right: string | RegExp, wrong: string): string {
  const text = published.replace(right, wrong);
  expect(text).not.toBe(published);
  return text;
}

it.each([
  ["an unknown permission", "contents: write", "content: write", /content/],
  ["a need that is no job", "- plan", "- plans", /plans/],
  ["an unknown context", "matrix.cell", "matrixx.cell", /matrixx/],
  ["an output that its job does not have", "needs.plan.outputs.bases ", "needs.plan.outputs.base ", /base/],
  ["a job without a machine", /^ {4}runs-on: .*\n/m, "", /runs-on/],
  ["an event that GitHub does not have", "workflow_dispatch", "workflow_dispatched", /workflow_dispatched/],
])("GitHub's validator sees %s", async (_, right, wrong, message) => {
  expect((await problems(planted(right, wrong))).join("\n")).toMatch(message);
});

it.each([
  [
    "every action is pinned by commit, with its version as a comment",
    /checkout@[0-9a-f]{40} # /,
    "checkout@",
  ],
  ["no script holds an expression", '"$CELL"', "${{ matrix.cell }}"],
  ["every job is bounded in time", /^ {4}timeout-minutes: 15\n/m, ""],
  ["no matrix stops at the first cell that fails", "fail-fast: false", "fail-fast: true"],
  [
    "each job has the permissions of its task: to read, to sign, to publish, or to propose",
    "contents: read",
    "contents: write",
  ],
  [
    "a job without a permission to write has no token, except to read releases",
    /CELL: \$\{\{ matrix\.cell \}\}\n {8}run(?=.*cell "\$CELL")/,
    "CELL: ${{ matrix.cell }}\n          GITHUB_TOKEN: ${{ github.token }}\n        run",
  ],
  [
    "what may write or is signed comes from no script of a package, no container and no machine",
    "npm ci --omit=dev --ignore-scripts",
    "npm ci --omit=dev",
  ],
  ["nothing of a release comes from a cache", "node-version: 24", "node-version: 24\n          cache: npm"],
  ["what no job asks for is granted to none", "permissions: {}", "permissions: write-all"],
  ["no checkout leaves a token behind", "persist-credentials: false", "fetch-depth: 0"],
  ["what is signed is looked at first", "! -type f", "-type l"],
  [
    "what may sign runs none of our code",
    "name: cell-${{ matrix.cell }}\n          path: staged",
    "name: x\n      - run: npm ci",
  ],
  [
    "the token reaches the steps that talk to GitHub, and nothing else",
    "CELL: ${{ matrix.cell }}",
    "CELL: ${{ secrets.GITHUB_TOKEN }}",
  ],
  [
    "the token reaches the steps that talk to GitHub, and nothing else",
    /CELL: \$\{\{ matrix\.cell \}\}\n {8}run(?=.*cell "\$CELL")/,
    "CELL: ${{ matrix.cell }}\n          GITHUB_TOKEN: ${{ github.token }}\n        run",
  ],
])("the rule that %s catches its opposite", (rule, right, wrong) => {
  expect(RULES[rule]!(planted(right, wrong))).toHaveLength(1);
});
