import type { Cell, Cells } from "../../schema/cells.ts";
import { flavorOf, idsBelow } from "../../schema/kinds/index.ts";
import type { Edge, Graph, Node } from "./graph.ts";

/** What is made from what: one node for the cells that differ only in their arch, one box per flavor. */
export function treeGraph({ tag, cells }: Pick<Cells, "tag" | "cells">): Graph {
  const nodes = new Map<string, Node>();
  const edges = new Map<string, Edge>();
  const byId = new Map(cells.map((cell) => [cell.id, cell]));
  for (const cell of cells) {
    const id = nameOf(cell);
    const archs = cells.filter((each) => nameOf(each) === id).map(({ arch }) => arch);
    const group = flavorOf(cell);
    nodes.set(id, {
      id,
      lines: [id, archs.join(", "), ...(cell.published ? [] : ["not published"])],
      ...(group === null ? {} : { group }),
      dashed: !cell.published,
    });
    const below = Object.values(idsBelow(cell)).flatMap((each) => byId.get(each) ?? []);
    // A preset is booted with the kernel, as its base is: the edge to the base stands for both.
    const implied = new Set(below.flatMap((other) => Object.values(idsBelow(other))));
    for (const other of below.filter((each) => !implied.has(each.id))) {
      const edge = { from: nameOf(other), to: id };
      edges.set(`${edge.from} ${edge.to}`, edge);
    }
  }
  return { title: `What ${tag} is made from`, nodes: [...nodes.values()], edges: [...edges.values()] };
}

/** The id of a cell without its arch: `codex-ubuntu`, `base-ubuntu`, `kernel`. */
const nameOf = ({ id, arch }: Cell): string =>
  id
    .split("-")
    .filter((part) => part !== arch)
    .join("-");
