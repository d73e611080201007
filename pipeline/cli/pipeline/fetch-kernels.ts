import { join } from "node:path";
import { selectCells } from "../../plan/cells.ts";
import { whyNotRecorded } from "../../plan/recorded.ts";
import { kernelDirectory } from "../../runtime/kinds/kernel/cache.ts";
import { saveReleased } from "../../runtime/kinds/kernel/released.ts";
import { readCells } from "../../runtime/read-cells.ts";
import { ofKind } from "../../schema/kinds/index.ts";
import { DIGESTS_PATH } from "../../schema/recorded-digests.ts";
import { PipelineError } from "../../util/error.ts";
import { inRun } from "../shared/run.ts";
import { lastDigests } from "./carry-source.ts";
import { openReleases } from "./store.ts";
import { root } from "./tree.ts";

/** Downloads kernels from the last release, to boot images with. @throws PipelineError if it has no kernel of these inputs */
export async function fetchKernels(ids: readonly string[]): Promise<void> {
  const cells = readCells(root());
  const digests = await lastDigests();
  const kernels = selectCells(cells, ids).map((cell) => {
    const [kernel] = ofKind([cell], "kernel");
    if (kernel) return kernel;
    throw new PipelineError(`${cell.id} is not a kernel`, { fix: "name a kernel, such as kernel-amd64" });
  });
  for (const cell of kernels) {
    const why = digests
      ? whyNotRecorded(cells, cell, { state: "recorded", digests })
      : `there is no ${DIGESTS_PATH}: nothing is published`;
    if (why === undefined) continue;
    throw new PipelineError(`${cell.id} is not in the last release: ${why}`, {
      ...{ code: "not-offered", fix: `compile it: \`npx smolvm-images cell ${cell.id}\`` },
    });
  }
  await inRun(async (run) => {
    const store = await openReleases(cells, { kind: "github" }, run, true);
    const at = { cache: join(root(), "out/cache") };
    for (const cell of kernels)
      await saveReleased(kernelDirectory(at, cell), cell, { digests: digests!, store }, run);
    run.progress.end();
    process.stderr.write(`${ids.join(", ")}: from ${digests?.tag}\n`);
  });
}
