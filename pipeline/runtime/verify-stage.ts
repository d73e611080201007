import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { BaseCell, PresetCell } from "../schema/cells.ts";
import type { RootfsFacts } from "../schema/facts.ts";
import { sha256File } from "../util/hash.ts";
import { verifyBoot } from "../vm/proof/verify.ts";
import { BUILD_FACTS, type BuildFacts, SBOM } from "./build-stage.ts";
import { bootImage } from "./kernel.ts";
import { IMAGE } from "./rootfs-image.ts";
import { cellDirectory, type Workshop } from "./workshop.ts";

/** Boots what the build stage left, and hands the asset with its facts to the store. @throws PipelineError */
export async function verifyStage(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  built: BuildFacts,
): Promise<RootfsFacts> {
  const { options, run } = workshop;
  const directory = cellDirectory(workshop, cell);
  const kernel = options.kernel ?? { kernel: await bootImage(workshop, cell.arch) };

  run.progress.step(
    cell.kind === "preset" ? `boot, log in, ${cell.check.command.join(" ")}` : "boot and log in",
  );
  const boot = await verifyBoot(
    {
      arch: cell.arch,
      disk: join(directory, IMAGE),
      kernel,
      check: cell.kind === "preset" ? cell.check : null,
      consoleLog: join(directory, "console.log"),
      accel: options.accel,
      timeoutMs: options.bootTimeoutMs,
    },
    run,
  );
  const facts: RootfsFacts = { ...built, boot: { ...boot, kernel_sha256: await sha256File(kernel.kernel) } };
  const sbom = await readFile(join(directory, SBOM), "utf8");
  await workshop.store.put(join(directory, `${IMAGE}.zst`), facts, sbom);
  await Promise.all([IMAGE, SBOM, BUILD_FACTS].map((name) => rm(join(directory, name), { force: true })));
  return facts;
}
