import { type Graph, groupsOf, type Node } from "./graph.ts";

/** A graph in Mermaid's language, which GitHub draws in Markdown: https://mermaid.js.org/syntax/flowchart.html */
export function mermaid(graph: Graph): string {
  const lines = ["flowchart LR"];
  let boxes = 0;
  for (const [group, nodes] of groupsOf(graph)) {
    const texts = nodes.map((node) => `${node.id}[${quoted(node.lines.join("<br>"))}]`);
    if (group === undefined) lines.push(...texts.map((text) => `  ${text}`));
    else {
      boxes += 1;
      lines.push(`  subgraph box${boxes}[${quoted(group)}]`, ...texts.map((text) => `    ${text}`), "  end");
    }
  }
  lines.push(...graph.edges.map(({ from, to }) => `  ${from} --> ${to}`));
  lines.push(
    ...classed(graph, "dashed", "stroke-dasharray: 5 5"),
    ...classed(graph, "strong", "stroke-width: 3px"),
  );
  return `${lines.join("\n")}\n`;
}

/** Mermaid ends a quoted text at the next quote, and has HTML's entities for it. */
const quoted = (text: string) => `"${text.replaceAll('"', "#quot;")}"`;

function classed({ nodes }: Graph, name: "dashed" | "strong", style: string): string[] {
  const ids = nodes.filter((node: Node) => node[name]).map(({ id }) => id);
  return ids.length === 0 ? [] : [`  classDef ${name} ${style}`, `  class ${ids.join(",")} ${name}`];
}
