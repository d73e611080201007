import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import type { Cells } from "../../../../pipeline/schema/cells.ts";
import type { Graph } from "../../../../pipeline/synth/graph/graph.ts";
import { jobGraph } from "../../../../pipeline/synth/graph/jobs.ts";
import { mermaid } from "../../../../pipeline/synth/graph/mermaid.ts";
import { svg } from "../../../../pipeline/synth/graph/svg.ts";
import { treeGraph } from "../../../../pipeline/synth/graph/tree.ts";
import { cellsOf, synth } from "../../../../pipeline/synth/synth.ts";
import type { Workflow } from "../../../../pipeline/synth/workflow/model.ts";
import { REPOSITORY } from "../../../support/project.ts";
import { projectApp } from "../../../support/tree.ts";

const output = synth(projectApp());
const cells: Cells = cellsOf(output);
const workflow = parseDocument(
  output.get(".github/workflows/build-published-images.yml")!,
).toJS() as Workflow;

const SMALL: Graph = {
  title: "a small graph",
  nodes: [
    { id: "kernel", lines: ["kernel"], strong: true },
    { id: "base-x", lines: ["base-x", 'says "hello" & <b>'], group: "x" },
    { id: "agent-x", lines: ["agent-x"], group: "x", dashed: true },
  ],
  edges: [
    { from: "kernel", to: "base-x" },
    { from: "base-x", to: "agent-x" },
  ],
};

describe("the graph of images", () => {
  const graph = treeGraph(cells);

  it("has every cell once, with its archs, and says what is not published", () => {
    const drawn = graph.nodes.flatMap(({ id, lines }) =>
      lines[1]!.split(", ").map((arch) => `${id} ${arch}`),
    );
    expect(new Set(drawn).size).toBe(drawn.length);
    expect(drawn.length).toBe(cells.cells.length);
    expect(graph.nodes.filter(({ lines }) => lines[2] === "not published").map(({ id }) => id)).toEqual(
      graph.nodes.filter(({ dashed }) => dashed).map(({ id }) => id),
    );
    expect(graph.nodes.find(({ id }) => id === "codex-debian")?.dashed).toBe(true);
    expect(graph.nodes.find(({ id }) => id === "codex-ubuntu")).toEqual({
      ...{ id: "codex-ubuntu", lines: ["codex-ubuntu", "amd64, arm64"], group: "ubuntu", dashed: false },
    });
  });

  it("leads from a kernel to bases, and from a base to its presets", () => {
    const arrows = graph.edges.map(({ from, to }) => `${from} ${to}`);
    expect(arrows).toContain("kernel base-alpine");
    expect(arrows).toContain("base-alpine pi-alpine");
    expect(arrows).not.toContain("kernel pi-alpine");
    expect(arrows).not.toContain("base-ubuntu pi-alpine");
  });
});

describe("the graph of jobs", () => {
  const graph = jobGraph(workflow);

  it("has the jobs of the generated workflow, and what each may write", () => {
    expect(graph.nodes.map(({ id }) => id)).toEqual(Object.keys(workflow.jobs));
    expect(graph.nodes.filter(({ strong }) => strong).map(({ lines }) => lines.join(" "))).toEqual([
      "attest id-token: write attestations: write",
      "attest-manifest id-token: write attestations: write",
      "publish contents: write",
      "propose contents: write pull-requests: write",
    ]);
  });

  it("leaves out arrows that others imply, and keeps what each job waits for", () => {
    const arrows = graph.edges.map(({ from, to }) => `${from} ${to}`);
    expect(arrows).toContain("container base");
    expect(arrows).not.toContain("plan base");
    const reached = (id: string): string[] =>
      graph.edges.filter(({ to }) => to === id).flatMap(({ from }) => [from, ...reached(from)]);
    for (const [id, { needs = [] }] of Object.entries(workflow.jobs)) {
      expect(reached(id)).toEqual(expect.arrayContaining([...needs]));
    }
  });
});

it("is Mermaid's text, in which nothing ends a quoted text", () => {
  expect(mermaid(SMALL)).toBe(`flowchart LR
  kernel["kernel"]
  subgraph box1["x"]
    base-x["base-x<br>says #quot;hello#quot; & <b>"]
    agent-x["agent-x"]
  end
  kernel --> base-x
  base-x --> agent-x
  classDef dashed stroke-dasharray: 5 5
  class agent-x dashed
  classDef strong stroke-width: 3px
  class kernel strong
`);
});

it("is an SVG with each node and arrow, without anything from elsewhere", async () => {
  const text = await svg(SMALL);
  expect(text.match(/class="node"/g)).toHaveLength(3);
  expect(text.match(/class="edge"/g)).toHaveLength(2);
  expect(text.match(/class="cluster"/g)).toHaveLength(1);
  expect(text).toContain("says &quot;hello&quot; &amp; &lt;b&gt;");
  expect(text.match(/stroke-dasharray/g)).toHaveLength(1);
  expect(text.replaceAll(/ xmlns(:xlink)?="[^"]*"|<!DOCTYPE[^>]*>/g, "")).not.toMatch(/https?:/);
});

it("docs/graph.md has the graph of jobs as it is now", () => {
  expect(readFileSync(join(REPOSITORY, "docs/graph.md"), "utf8")).toContain(
    `\`\`\`mermaid\n${mermaid(jobGraph(workflow))}\`\`\`\n`,
  );
});
