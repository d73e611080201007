import { Argument, Command, Option } from "commander";
import type { Graph } from "../../synth/graph/graph.ts";
import { jobGraph } from "../../synth/graph/jobs.ts";
import { mermaid } from "../../synth/graph/mermaid.ts";
import { treeGraph } from "../../synth/graph/tree.ts";
import { cellsOf } from "../../synth/synth.ts";
import { buildPublishedImages } from "../../synth/workflow/build-published-images.ts";
import { synthProject } from "./tree.ts";

const GRAPHS = ["images", "jobs"] as const;
const FORMATS = ["mermaid", "svg"] as const;

export const graphCommand = new Command("graph")
  .addArgument(
    new Argument("[graph]", "images: which image is made from which; jobs: the jobs of the release workflow")
      .choices(GRAPHS)
      .default("images"),
  )
  .addOption(new Option("--format <format>", "what to print").choices(FORMATS).default("mermaid"))
  .addHelpText(
    "after",
    "\nMermaid is text that GitHub draws in a Markdown file. For a picture:\n  smolvm-images graph --format svg > images.svg",
  )
  .action(async (what: (typeof GRAPHS)[number], { format }: { format: (typeof FORMATS)[number] }) => {
    const graph = await named(what);
    if (format === "mermaid") process.stdout.write(mermaid(graph));
    // Graphviz takes a while to load.
    else process.stdout.write(await (await import("../../synth/graph/svg.ts")).svg(graph));
  });

async function named(what: (typeof GRAPHS)[number]): Promise<Graph> {
  const cells = cellsOf(await synthProject());
  return what === "images" ? treeGraph(cells) : jobGraph(buildPublishedImages(cells.tag));
}
