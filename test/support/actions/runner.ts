import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { x } from "tinyexec";
import { parse } from "yaml";
import { RELEASE_REF, RELEASE_WORKFLOW } from "../../../pipeline/schema/names.ts";
import type { Job, Step, Workflow } from "../../../pipeline/synth/workflow/model.ts";
import type { OwnSigstore } from "../sigstore.ts";
import { Artifacts } from "./artifacts.ts";
import { type Contexts, holds, interpolate, jsonOf, type Status } from "./expressions.ts";

export interface RunnerOptions {
  /** The repository's files, which `actions/checkout` puts into each job's workspace. */
  readonly checkout: (workspace: string) => void;
  readonly workflow: string;
  readonly inputs: Readonly<Record<string, string | boolean>>;
  /** Where everything of this run is kept. */
  readonly directory: string;
  /** `owner/name`, and where its API is. */
  readonly repository: string;
  readonly apiUrl: string;
  /** Makes the token of a job, with the permissions that the job asks for. */
  readonly tokenFor: (job: string, permissions: Job["permissions"]) => string;
  /** Variables of the machine. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Who signs what actions/attest is given, as an authority that the tree trusts. */
  readonly sigstore: OwnSigstore;
  /** Called with each file that a job attests, as GitHub keeps its attestation. */
  readonly onAttested?: (sha256: string, bundle: string) => void;
  /** A script that is run once: its effects are there in every workspace. */
  readonly ranBefore?: readonly string[];
  /** What a package runs when `npm ci` installs it, as a shell's words. Jobs that run no scripts of packages do not run it. */
  readonly installScript?: string;
}

/** A step as it was run. */
export interface RanStep {
  readonly job: string;
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly ok: boolean;
  /** What a script has printed. */
  readonly output: string;
}

const RUN = { ref: RELEASE_REF, commit: "c".repeat(40), run: 1 } as const;

type Result = "success" | "failure" | "skipped";
interface RanJob {
  readonly result: Result;
  readonly outputs: Readonly<Record<string, string>>;
}

/** One run of a workflow on this machine: jobs one after the other, every `run:` for real, actions by folders. */
export class WorkflowRun {
  readonly jobs: Record<string, RanJob> = {};
  readonly steps: RanStep[] = [];
  readonly artifacts: Artifacts;
  /** What the steps have put on the page of the run. */
  summary = "";
  readonly #options: RunnerOptions;
  readonly #workflow: Workflow;
  #workspaces = 0;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#workflow = parse(options.workflow) as Workflow;
    this.artifacts = new Artifacts(join(options.directory, "artifacts"));
  }

  async run(): Promise<void> {
    const waiting = Object.entries(this.#workflow.jobs);
    while (waiting.length > 0) {
      const next = waiting.findIndex(([, { needs = [] }]) => needs.every((need) => this.jobs[need]));
      if (next < 0) throw new Error("the jobs need each other in a circle");
      const [[name, job]] = waiting.splice(next, 1) as [[string, Job]];
      this.jobs[name] = await this.#runJob(name, job);
    }
  }

  /** Runs one job of the finished run again, with the artifacts that the run has now. */
  async again(name: string): Promise<Result> {
    this.jobs[name] = await this.#runJob(name, this.#workflow.jobs[name]!);
    return this.jobs[name].result;
  }

  /** The result of each job. */
  get results(): Record<string, Result> {
    return Object.fromEntries(Object.entries(this.jobs).map(([name, { result }]) => [name, result]));
  }

  async #runJob(name: string, job: Job): Promise<RanJob> {
    const needs = Object.fromEntries((job.needs ?? []).map((need) => [need, this.jobs[need]!]));
    const status = {
      failed: this.#ancestors(job).some((need) => this.jobs[need]?.result === "failure"),
      incomplete: Object.values(needs).some(({ result }) => result !== "success"),
    };
    const contexts = { ...this.#contexts(needs), matrix: {} };
    if (!holds(job.if, contexts, status)) return { result: "skipped", outputs: {} };
    const include = job.strategy ? jsonOf(job.strategy.matrix.include, contexts, status) : [{}];
    const entries: RanJob[] = [];
    for (const matrix of include as object[]) {
      entries.push(await this.#runEntry(name, job, { ...contexts, matrix }));
    }
    const failed = entries.some(({ result }) => result === "failure");
    return { result: failed ? "failure" : "success", outputs: entries.at(-1)?.outputs ?? {} };
  }

  #ancestors({ needs = [] }: Job): string[] {
    return needs.flatMap((need) => [need, ...this.#ancestors(this.#workflow.jobs[need]!)]);
  }

  #contexts(needs: Record<string, RanJob>): Contexts {
    return {
      needs,
      inputs: this.#options.inputs,
      github: { ref: RUN.ref, token: "" },
      steps: {},
      env: {},
    };
  }

  /** One entry of a job's matrix, on a machine of its own. */
  async #runEntry(name: string, job: Job, contexts: Contexts): Promise<RanJob> {
    const workspace = join(this.#options.directory, `workspace-${++this.#workspaces}`);
    mkdirSync(workspace, { recursive: true });
    const token = this.#options.tokenFor(name, job.permissions);
    const steps: Record<string, { outputs: Record<string, string> }> = {};
    let failed = false;
    for (const step of job.steps) {
      const now = { ...contexts, steps, github: { ...(contexts.github as object), token } };
      const status = { failed, incomplete: failed };
      if (!holds(step.if, now, status)) continue;
      const outputs: Record<string, string> = {};
      const ok = await this.#runStep({ name, job, step, workspace, contexts: now, status, outputs });
      if (step.id) steps[step.id] = { outputs };
      failed ||= !ok;
    }
    const last = { ...contexts, steps };
    const outputs = Object.entries(job.outputs ?? {}).map(([key, value]) => [
      key,
      interpolate(value, last, { failed, incomplete: failed }),
    ]);
    return { result: failed ? "failure" : "success", outputs: Object.fromEntries(outputs) };
  }

  async #runStep(running: Running): Promise<boolean> {
    const { step, contexts, status, name } = running;
    const evaluated = (values: Step["with"] = {}) =>
      Object.fromEntries(
        Object.entries(values).map(([key, value]) => [key, interpolate(String(value), contexts, status)]),
      );
    const env = evaluated(step.env);
    const title = step.name ?? step.run ?? step.uses ?? "?";
    try {
      const output =
        step.run === undefined
          ? await this.#act(running, evaluated(step.with))
          : await this.#script(running, env);
      this.steps.push({ job: name, name: title, env, ok: true, output });
      return true;
    } catch (error) {
      this.steps.push({ job: name, name: title, env, ok: false, output: String((error as Error).message) });
      return false;
    }
  }

  /** An action, as far as the generated workflows use it. @throws Error when it fails */
  async #act(running: Running, inputs: Record<string, string>): Promise<string> {
    const { step, workspace } = running;
    const [action] = step.uses!.split("@");
    const path = join(workspace, inputs.path ?? ".");
    switch (action) {
      case "actions/checkout":
        this.#options.checkout(workspace);
        return "";
      case "actions/setup-node":
        return "";
      case "actions/upload-artifact": {
        const files = this.artifacts.upload(
          inputs.name!,
          inputs.path!,
          workspace,
          inputs.overwrite === "true",
        );
        if (files === 0 && inputs["if-no-files-found"] === "error")
          throw new Error(`no files found: ${inputs.path}`);
        return "";
      }
      case "actions/download-artifact":
        if (inputs.pattern)
          this.artifacts.downloadAll(inputs.pattern, path, inputs["merge-multiple"] === "true");
        else this.artifacts.download(inputs.name!, path);
        return "";
      case "actions/attest":
        await this.#attest(running, inputs);
        return "";
      default:
        throw new Error(`this runner does not know ${step.uses}`);
    }
  }

  /** Signs the subjects for this run, and leaves the bundle in a file outside of the workspace. */
  async #attest({ workspace, job, outputs }: Running, inputs: Record<string, string>): Promise<void> {
    if (job.permissions["id-token"] !== "write") throw new Error("id-token: write is needed to sign");
    const sbom = inputs["sbom-path"];
    if (sbom !== undefined) JSON.parse(readFileSync(join(workspace, sbom), "utf8"));
    const paths = inputs["subject-path"]!.split("\n").flatMap((path) => filesBelow(join(workspace, path)));
    const subjects = paths.map((path) => ({
      name: basename(path),
      sha256: createHash("sha256").update(readFileSync(path)).digest("hex"),
    }));
    const signer = { repository: this.#options.repository, workflow: RELEASE_WORKFLOW, ...RUN };
    const unusual = sbom === undefined ? {} : { predicateType: "https://cyclonedx.org/bom" };
    const bundle = await this.#options.sigstore.attest(subjects, signer, unusual);
    for (const { sha256 } of subjects) this.#options.onAttested?.(sha256, bundle);
    const directory = mkdtempSync(join(this.#options.directory, "temp-"));
    outputs["bundle-path"] = join(directory, "attestation.json");
    writeFileSync(outputs["bundle-path"], `${bundle}\n`);
  }

  /** A script, as GitHub's runner starts it. @throws Error with what it printed */
  async #script({ step, workspace, outputs }: Running, env: Record<string, string>): Promise<string> {
    const { ranBefore = [], installScript } = this.#options;
    const script =
      step.run === "npm ci" ? installScript : ranBefore.includes(step.run!) ? undefined : step.run;
    if (script === undefined) return "";
    const files = {
      GITHUB_OUTPUT: join(workspace, ".output"),
      GITHUB_STEP_SUMMARY: join(workspace, ".summary"),
    };
    for (const file of Object.values(files)) writeFileSync(file, "");
    const shell = ["--noprofile", "--norc", "-eo", "pipefail", "-c", script];
    const { exitCode, stdout, stderr } = await x("bash", shell, {
      nodeOptions: {
        cwd: workspace,
        env: {
          ...NOT_INHERITED,
          ...this.#options.env,
          ...{ CI: "true", GITHUB_ACTIONS: "true", GITHUB_WORKSPACE: workspace },
          ...{ GITHUB_REPOSITORY: this.#options.repository, GITHUB_API_URL: this.#options.apiUrl },
          ...{ GITHUB_RUN_ID: String(RUN.run), GITHUB_SHA: RUN.commit, GITHUB_REF: RUN.ref },
          ...{ GITHUB_REF_NAME: "main", GITHUB_REF_TYPE: "branch" },
          ...files,
          ...env,
        },
      },
    });
    Object.assign(outputs, outputsIn(readFileSync(files.GITHUB_OUTPUT, "utf8")));
    this.summary += readFileSync(files.GITHUB_STEP_SUMMARY, "utf8");
    if (exitCode !== 0) throw new Error(`exit ${exitCode}\n${stdout}${stderr}`);
    return stdout + stderr;
  }
}

/** A step begins with the machine's variables alone: what started the tests is none of them. */
const NOT_INHERITED = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]));

/** A file, or all files below a directory: actions/attest searches with the defaults of @actions/glob. */
const filesBelow = (path: string): string[] =>
  statSync(path).isDirectory()
    ? readdirSync(path, { recursive: true, encoding: "utf8" })
        .map((name) => join(path, name))
        .filter((each) => statSync(each).isFile())
    : [path];

interface Running {
  readonly name: string;
  readonly job: Job;
  readonly step: Step;
  readonly workspace: string;
  readonly contexts: Contexts;
  readonly status: Status;
  readonly outputs: Record<string, string>;
}

/** The file that GITHUB_OUTPUT names: `name<<delimiter`, lines, `delimiter`; or `name=value`. */
function outputsIn(text: string): Record<string, string> {
  const long = [...text.matchAll(/^([\w-]+)<<(.+)\n([\s\S]*?)\n\2$/gm)].map(([, name, , value]) => [
    name,
    value,
  ]);
  const short = [...text.matchAll(/^([\w-]+)=(.*)$/gm)].map(([, name, value]) => [name, value]);
  return Object.fromEntries([...short, ...long]);
}
