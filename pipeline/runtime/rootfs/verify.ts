import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { onPath } from "../../image/docker/engine.ts";
import type { BaseCell, PresetCell } from "../../schema/cells.ts";
import type { ProofFacts, RootfsFacts } from "../../schema/facts.ts";
import { kernelFormatOf } from "../../schema/names.ts";
import { PipelineError, within } from "../../util/error.ts";
import { verifyFirecracker, verifyStandIn } from "../../vm/proof/firecracker.ts";
import { verifyBoot } from "../../vm/proof/verify.ts";
import type { Handover } from "../kinds/steps.ts";
import { cellDirectory, type Workshop } from "../workshop.ts";
import { BUILD_FACTS, type BuildFacts, SBOM } from "./build.ts";
import { checkOf, IMAGE } from "./image.ts";

/**
 * Boots the image of the build stage on every machine that it can be booted on here, and stages the asset with its facts.
 * @throws PipelineError if a boot or the check fails
 */
export async function verifyRootfs(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  built: BuildFacts,
  handover: Handover,
): Promise<RootfsFacts> {
  const { options, run } = workshop;
  const directory = cellDirectory(workshop, cell);
  const disk = join(directory, IMAGE);
  const check = checkOf(cell);
  const { pci, mmio } = await handover.below(cell, "kernel");
  run.progress.step(check ? `boot, log in, ${check.command.join(" ")}` : "boot and log in");
  const boot = await verifyBoot(
    {
      arch: cell.arch,
      disk,
      kernel: pci,
      check,
      consoleLog: join(directory, "console.log"),
      accel: options.accel,
      timeoutMs: options.bootTimeoutMs,
    },
    run,
  );
  const proven: ProofFacts[] = [{ vmm: "qemu", machine: "pci", format: pci.format, accel: boot.accel }];
  const withFirecracker = { arch: cell.arch, disk, kernel: mmio, timeoutMs: options.bootTimeoutMs };
  run.progress.step("boot as SmolVM does on Firecracker, and log in (QEMU, MMIO devices, no console)");
  const accel = await named("with MMIO devices and without a console", () =>
    verifyStandIn(
      // With the accelerator that has just run this image.
      { ...withFirecracker, consoleLog: join(directory, "console-mmio.log"), accel: boot.accel },
      run,
    ),
  );
  proven.push({ vmm: "qemu", machine: "mmio", format: mmio.format, accel });
  // A user's kernel can be of the other format, or need an initial ramdisk, which our start of Firecracker has not.
  const starts = mmio.format === kernelFormatOf("firecracker", cell.arch) && mmio.initrd === undefined;
  if (accel === "kvm" && starts && onPath("firecracker")) {
    run.progress.step("boot on Firecracker");
    await named("on Firecracker", () =>
      verifyFirecracker({ ...withFirecracker, consoleLog: join(directory, "console-firecracker.log") }, run),
    );
    proven.push({ vmm: "firecracker", machine: "mmio", format: mmio.format, accel: "kvm" });
  }
  const facts: RootfsFacts = { ...built, boot: { ...boot, kernel_sha256: pci.sha256 }, proven };
  const sbom = await readFile(join(directory, SBOM), "utf8");
  await workshop.staging.put(join(directory, `${IMAGE}.zst`), facts, sbom);
  await Promise.all([IMAGE, SBOM, BUILD_FACTS].map((name) => rm(join(directory, name), { force: true })));
  return facts;
}

/** Does `work`, and says in its error on which machine it failed. */
async function named<T>(machine: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    throw within(machine, error);
  }
}
