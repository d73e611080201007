import type { Workflow } from "../workflow/model.ts";
import type { Edge, Graph } from "./graph.ts";

/** The jobs of a workflow, each with what it may write, and an arrow from each job that it waits for. */
export function jobGraph({ name, jobs }: Workflow): Graph {
  const needs = new Map(Object.entries(jobs).map(([id, job]) => [id, job.needs ?? []]));
  return {
    title: `The jobs of ${name}`,
    nodes: Object.entries(jobs).map(([id, job]) => {
      const writes = Object.entries(job.permissions).filter(([, access]) => access === "write");
      return {
        id,
        lines: [id, ...writes.map(([what]) => `${what}: write`)],
        strong: writes.length > 0,
      };
    }),
    edges: [...needs].flatMap(([to, all]): Edge[] => direct(all, needs).map((from) => ({ from, to }))),
  };
}

/** Those of `ids` that no other of them waits for: the arrows that say the same are left out. */
function direct(ids: readonly string[], needs: ReadonlyMap<string, readonly string[]>): string[] {
  const before = (id: string): string[] => (needs.get(id) ?? []).flatMap((each) => [each, ...before(each)]);
  const implied = new Set(ids.flatMap(before));
  return ids.filter((id) => !implied.has(id));
}
