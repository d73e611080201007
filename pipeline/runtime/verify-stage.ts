import { rm } from "node:fs/promises";
import { join } from "node:path";
import { sha256File } from "../build/hash.ts";
import type { BaseCell, PresetCell } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import { verifyBoot } from "../vm/verify.ts";
import { bootKernel } from "./boot-kernel.ts";
import { BUILD_FACTS, type BuildFacts, IMAGE } from "./build-stage.ts";
import { cellDirectory, type Workshop } from "./workshop.ts";

/** Boots what the build stage left, and hands the asset with its facts to the store. @throws PipelineError */
export async function verifyStage(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  built: BuildFacts,
): Promise<Facts> {
  const { docker, options, run, tools, cache } = workshop;
  const directory = cellDirectory(workshop, cell);
  const kernel =
    options.kernel ??
    (await bootKernel(
      docker,
      { root: options.root, cache, arch: cell.arch, tools, network: options.network },
      run,
    ));

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
      timeoutMs: options.bootTimeoutMs,
    },
    run,
  );
  const facts: Facts = { ...built, boot: { ...boot, kernel_sha256: await sha256File(kernel.kernel) } };
  await workshop.store.put(join(directory, `${IMAGE}.zst`), facts);
  await Promise.all([IMAGE, BUILD_FACTS].map((name) => rm(join(directory, name), { force: true })));
  return facts;
}
