import { type Graph as Drawing, instance, type Node as Shape } from "@viz-js/viz";
import { type Graph, groupsOf, type Node } from "./graph.ts";

/** Readable on a light and on a dark page: the lines and the text are grey enough for both, and nothing is filled. */
const COLOUR = "#767676";
const LINES = { color: COLOUR, fontcolor: COLOUR, fontname: "Helvetica,Arial,sans-serif", fontsize: 12 };

/** A graph as one SVG document without anything from elsewhere, drawn by Graphviz. */
export async function svg(graph: Graph): Promise<string> {
  const viz = await instance();
  return viz.renderString(drawing(graph), { format: "svg" });
}

function drawing(graph: Graph): Drawing {
  const groups = [...groupsOf(graph)];
  return {
    graphAttributes: { rankdir: "LR", bgcolor: "transparent", tooltip: graph.title, nodesep: 0.2, ...LINES },
    // Graphviz measures the text with a font of its own; a page may have a wider one.
    nodeAttributes: { shape: "box", margin: "0.25,0.06", ...LINES },
    edgeAttributes: LINES,
    nodes: groups.flatMap(([group, nodes]) => (group === undefined ? nodes.map(shape) : [])),
    edges: graph.edges.map(({ from, to }) => ({ tail: from, head: to })),
    subgraphs: groups.flatMap(([group, nodes], index) =>
      group === undefined
        ? []
        : [
            {
              // Graphviz draws a box around a subgraph whose name starts so.
              name: `cluster_${index}`,
              graphAttributes: { label: group },
              nodes: nodes.map(shape),
            },
          ],
    ),
  };
}

const shape = ({ id, lines, dashed, strong }: Node): Shape => ({
  name: id,
  attributes: {
    label: lines.join("\n"),
    tooltip: lines.join(", "),
    style: [dashed ? "dashed" : "solid", ...(strong ? ["bold"] : [])].join(","),
  },
});
