import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { BaseCell, PresetCell } from "../../schema/cells.ts";
import type { RootfsFacts } from "../../schema/facts.ts";
import { verifyBoot } from "../../vm/proof/verify.ts";
import type { Handover } from "../kinds/steps.ts";
import { cellDirectory, type Workshop } from "../workshop.ts";
import { BUILD_FACTS, type BuildFacts, SBOM } from "./build.ts";
import { checkOf, IMAGE } from "./image.ts";

/**
 * Boots the image of the build stage, and stages the asset with its facts. @throws PipelineError if the boot or the
 * check fails
 */
export async function verifyRootfs(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  built: BuildFacts,
  handover: Handover,
): Promise<RootfsFacts> {
  const { options, run } = workshop;
  const directory = cellDirectory(workshop, cell);
  const check = checkOf(cell);
  const { sha256, ...kernel } = await handover.below(cell, "kernel");
  run.progress.step(check ? `boot, log in, ${check.command.join(" ")}` : "boot and log in");
  const boot = await verifyBoot(
    {
      arch: cell.arch,
      disk: join(directory, IMAGE),
      kernel,
      check,
      consoleLog: join(directory, "console.log"),
      accel: options.accel,
      timeoutMs: options.bootTimeoutMs,
    },
    run,
  );
  const facts: RootfsFacts = { ...built, boot: { ...boot, kernel_sha256: sha256 } };
  const sbom = await readFile(join(directory, SBOM), "utf8");
  await workshop.staging.put(join(directory, `${IMAGE}.zst`), facts, sbom);
  await Promise.all([IMAGE, SBOM, BUILD_FACTS].map((name) => rm(join(directory, name), { force: true })));
  return facts;
}
