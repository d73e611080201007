import { copyFile, mkdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { InitramfsCell } from "../../../schema/cells.ts";
import type { InitramfsBootFacts, InitramfsFacts } from "../../../schema/facts.ts";
import { initramfsCommandLine } from "../../../schema/initramfs/build-args.ts";
import { PipelineError, within } from "../../../util/error.ts";
import { bootAppliance, type Start } from "../../../vm/proof/appliance.ts";
import { cellDirectory, inWorkDirectory, type Workshop } from "../../workshop.ts";
import { BUILD_FACTS } from "./build.ts";
import { asked, type BuildFacts, KERNEL, logOf, SBOM } from "./pack.ts";

/** The memory of the machine beside its tmpfs: for the kernel, the packed initramfs, and its content before it is moved, MiB. */
const BESIDE_ROOT_MIB = 768;
/** The size of the disk that a machine without an EFI file gets, bytes. */
const DISK_BYTES = 16 << 20;

/**
 * Boots both assets of the build stage up to their services, and stages them with their facts. @throws PipelineError if a
 * boot fails
 */
export async function proveAppliance(
  workshop: Workshop,
  declared: InitramfsCell,
  built: BuildFacts,
): Promise<InitramfsFacts[]> {
  const { staging } = workshop;
  const { cell } = asked(workshop, declared);
  const directory = cellDirectory(workshop, cell);
  const [cpio, efi] = cell.assets.map((asset) => join(directory, asset)) as [string, string];
  const boots = [
    await boot(workshop, cell, { started: "initrd", kernel: join(directory, KERNEL), initrd: cpio }),
    await boot(workshop, cell, { started: "efi", efi }),
  ];
  const facts = built.map((each, index): InitramfsFacts => ({ ...each, boot: [boots[index]!] }));
  const sbom = await readFile(join(directory, SBOM), "utf8");
  for (const each of facts) await staging.put(join(directory, each.asset), each, sbom);
  await copyFile(join(directory, logOf(cell)), join(staging.directory, logOf(cell)));
  for (const name of [KERNEL, SBOM, BUILD_FACTS, logOf(cell)])
    await rm(join(directory, name), { force: true });
  return facts;
}

/** Boots an appliance in one of its two ways. @throws PipelineError that names the way */
async function boot(workshop: Workshop, cell: InitramfsCell, start: Start): Promise<InitramfsBootFacts> {
  const { options, run } = workshop;
  const title = start.started === "efi" ? "its EFI file, by UEFI firmware" : "its kernel and initramfs";
  run.progress.step(`boot ${title}`);
  const logs = cellDirectory(workshop, cell);
  await mkdir(logs, { recursive: true });
  return await inWorkDirectory(workshop, cell, async (directory) => {
    const disk = join(directory, "disk");
    await writeFile(disk, "");
    await truncate(disk, DISK_BYTES);
    try {
      return await bootAppliance(
        {
          ...{ arch: cell.arch, start, directory, memoryMib: cell.root_mib + BESIDE_ROOT_MIB },
          ...(start.started === "efi"
            ? { commandLine: "" }
            : { disk, commandLine: initramfsCommandLine(cell) }),
          services: cell.services.map(({ name }) => name),
          consoleLog: join(logs, `console-${start.started}.log`),
          ...{ accel: options.accel, timeoutMs: options.bootTimeoutMs },
        },
        run,
      );
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error;
      throw within(title, error);
    }
  });
}
