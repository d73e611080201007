import { validate } from "@actions/languageservice/validate";
import { describe, expect, it } from "vitest";
import { TextDocument } from "vscode-languageserver-textdocument";
import { parse } from "yaml";
import { synth } from "../../pipeline/synth/synth.ts";
import type { Job, Workflow } from "../../pipeline/synth/workflow/model.ts";
import { publishedApp } from "../support/tree.ts";

const output = synth(publishedApp());
const workflows = [...output].filter(([path]) => path.startsWith(".github/workflows/"));

/** What GitHub's own validator finds wrong with a workflow. */
async function problems(text: string): Promise<string[]> {
  const document = TextDocument.create("file:///.github/workflows/workflow.yml", "yaml", 1, text);
  return (await validate(document)).map(({ message }) => String(message));
}

describe.each(workflows)("%s", (_, text) => {
  const workflow = parse(text) as Workflow;
  const jobs: [string, Job][] = Object.entries(workflow.jobs);
  const steps = jobs.flatMap(([, job]) => job.steps);

  it("passes GitHub's validator", async () => {
    expect(await problems(text)).toEqual([]);
  });

  it("pins every action by commit, with its version as a comment", () => {
    const lines = text.split("\n").filter((line) => line.includes("uses:"));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  it("never writes an expression into a script", () => {
    expect(steps.filter(({ run }) => run?.includes("${{"))).toEqual([]);
  });

  it("gives no job more than it needs: reading the code", () => {
    expect(workflow.permissions).toEqual({});
    for (const [, job] of jobs) expect(job.permissions).toEqual({ contents: "read" });
    expect(text).not.toContain("secrets.");
    expect(text).not.toContain("github.token");
  });

  it("bounds every job in time", () => {
    for (const [, job] of jobs) expect(job["timeout-minutes"]).toBeGreaterThan(0);
  });

  it("names only scripts that package.json has", async () => {
    const { default: manifest } = await import("../../package.json", { with: { type: "json" } });
    const named = steps.flatMap(({ run }) =>
      [...(run ?? "").matchAll(/npm run (?:-s )?([\w:]+)/g)].map(([, name]) => name),
    );
    expect(named.filter((name) => !Object.hasOwn(manifest.scripts, name!))).toEqual([]);
  });
});

describe("build-published-images", () => {
  const text = output.get(".github/workflows/build-published-images.yml")!;
  const { jobs } = parse(text) as Workflow;

  it("builds bases before the presets on them, and each cell whatever happens to the others", () => {
    expect(jobs.base?.needs).toEqual(["plan"]);
    expect(jobs.preset?.needs).toEqual(["plan", "base"]);
    expect([jobs.base, jobs.preset].map((job) => job?.strategy?.["fail-fast"])).toEqual([false, false]);
  });

  it("refuses a stale tree before anything is built", () => {
    expect(jobs.plan?.steps.map(({ run }) => run)).toContain("npm run -s synth -- --check");
  });

  it("hands the base's container image to its presets under one name", () => {
    const artifact = (job: Job | undefined, action: string) =>
      job?.steps.find(({ uses }) => uses?.startsWith(action))?.with;
    const upload = artifact(jobs.base, "actions/upload-artifact");
    const download = artifact(jobs.preset, "actions/download-artifact");
    expect(String(upload?.name).replace("matrix.cell", "matrix.base")).toBe(download?.name);
    expect(upload?.path).toBe(download?.path);
  });
});

it.each([
  ["an unknown permission", "contents: read", "content: read"],
  ["a need that is no job", "- plan", "- plans"],
  ["an unknown context", "matrix.cell", "matrixx.cell"],
])("the validator sees %s", async (_, right, wrong) => {
  const text = output.get(".github/workflows/build-published-images.yml")!;
  expect(await problems(text.replace(right, wrong))).not.toEqual([]);
});
