import { buildNetwork, networkFromEnvironment } from "../../pipeline/image/docker/network.ts";
import { readCells } from "../../pipeline/runtime/read-cells.ts";
import { type CellOptions, openWorkshop } from "../../pipeline/runtime/workshop.ts";

/** A run without bars: steps and warnings are lines on stderr. */
export const run = {
  progress: {
    step: (title: string) => void process.stderr.write(`- ${title}\n`),
    bytes() {},
    count() {},
    warn: (line: string) => void process.stderr.write(`warning: ${line}\n`),
  },
  signal: new AbortController().signal,
};

/** The project that is measured, and its workshop. @param more options beside the defaults of a measurement */
export async function openBench(more: Partial<CellOptions> = {}) {
  const root = process.cwd();
  const cells = readCells(root);
  const network = buildNetwork(networkFromEnvironment(process.env, {}), process.env);
  const options = { root, network, level: 1, noCache: false, secrets: [], ...more };
  return { root, cells, network, workshop: await openWorkshop(cells, [], options, run) };
}
