import { link, mkdir, mkdtemp, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { InitramfsBootFacts } from "../../schema/facts.ts";
import type { Arch } from "../../schema/names.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { type Accel, EMULATORS, withAccelerator } from "../accel.ts";
import type { Machine } from "../machine.ts";
import { EFI_PATH, firmwareFor } from "../qemu/firmware.ts";
import { QemuMachine } from "../qemu/machine.ts";
import { LOGIN_MS, POWER_OFF_MS, SILENCE_MS } from "../session.ts";
import { consoleTail, endsWithin, watch } from "../watch.ts";
import { BOOT_TIMEOUT_HINT } from "./verify.ts";

/** What starts an appliance: its kernel and initramfs by themselves, or its EFI file. */
export type Start =
  | { readonly started: "initrd"; readonly kernel: string; readonly initrd: string }
  | { readonly started: "efi"; readonly efi: string };

export interface ApplianceOptions {
  readonly arch: Arch;
  readonly start: Start;
  /** The kernel's parameters. An EFI file has its own. */
  readonly commandLine: string;
  readonly memoryMib: number;
  /** An image that the guest sees as a virtio disk. @default only an EFI file is on one */
  readonly disk?: string | undefined;
  /** The services that must have started. */
  readonly services: readonly string[];
  readonly consoleLog: string;
  /** A directory for temporary files; an EFI file must be on the same disk. */
  readonly directory: string;
  /** @default SMOLVM_ACCEL, or else what works on this machine */
  readonly accel?: Accel | undefined;
  /** The time limit from the start of the machine to its report, ms. @default LOGIN_MS, by accelerator */
  readonly timeoutMs?: number | undefined;
}

/**
 * Boots an appliance, which reports on its console what runs when its services have started (`init/initramfs/init`), and
 * then powers off.
 * @throws PipelineError with the console's last lines if it does not get so far, if it does not run on a tmpfs, lacks a
 * virtio disk or a network card, or if a service has failed
 */
export async function bootAppliance(options: ApplianceOptions, run: Run): Promise<InitramfsBootFacts> {
  return await withAccelerator(options, run, (accel) => bootOnce(options, accel, run));
}

async function bootOnce(
  { arch, start, commandLine, memoryMib, disk, services, consoleLog, ...options }: ApplianceOptions,
  accel: Accel,
  run: Run,
): Promise<InitramfsBootFacts> {
  const directory = await mkdtemp(join(options.directory, "boot-"));
  let machine: QemuMachine | undefined;
  try {
    const firmware = start.started === "efi" ? await firmwareFor(arch, directory, run.signal) : undefined;
    machine = await QemuMachine.start(
      {
        ...{ arch, accel, memoryMib, consoleLog, firmware },
        ...(start.started === "efi"
          ? { fatDisk: await efiDisk(arch, start.efi, directory) }
          : { kernel: start.kernel, initrd: start.initrd }),
        ...(disk === undefined ? {} : { dataDisk: disk }),
        cmdline: [commandLine, `console=${EMULATORS[arch].console}`, "report=poweroff"],
      },
      run.signal,
    );
    const report = await reported(machine, accel, options.timeoutMs ?? LOGIN_MS[accel], run);
    const problem = problemOf(report, services);
    if (problem !== undefined) {
      throw new PipelineError(problem, { code: "boot-failed", details: consoleTail(machine) });
    }
    const stage = (name: string) => machine!.console.stageUptime(name) ?? 0;
    return {
      ...{ vmm: "qemu", accel, machine: "pci", started: start.started, firmware: firmware?.title ?? null },
      ...{ init_uptime_s: stage("init"), program_uptime_s: stage("program") },
      ...{ memory_mib: report.memoryMib, used_mib: report.usedMib, modules: report.modules },
      services: report.services.map(({ name }) => name).sort(),
    };
  } finally {
    await machine?.destroy();
    await rm(directory, { recursive: true, force: true });
  }
}

/** zinit's states of a service that has started, or has done what it is there for. */
const STARTED = ["Running", "Success"];

/** What a report lacks of an appliance that works; undefined if nothing. */
export function problemOf(report: Report, services: readonly string[]): string | undefined {
  if (report.root !== "tmpfs") return `the appliance runs on ${report.root}, and not on a tmpfs`;
  if (!report.disks.some((name) => name.startsWith("vd"))) return "the appliance has no virtio disk";
  if (report.networks.length === 0) return "the appliance has no network card";
  const missing = services.filter((name) => !report.services.some((each) => each.name === name));
  if (missing.length > 0) return `the init program does not list the services ${missing.join(", ")}`;
  const failed = report.services.filter(({ state }) => !STARTED.includes(state));
  if (failed.length === 0) return undefined;
  return `services have not started: ${failed.map(({ name, state }) => `${name} (${state})`).join(", ")}`;
}

/** A directory that a guest sees as a disk, from which UEFI firmware starts `efi`. */
async function efiDisk(arch: Arch, efi: string, directory: string): Promise<string> {
  const root = join(directory, "efi");
  const path = join(root, EFI_PATH[arch]);
  await mkdir(dirname(path), { recursive: true });
  await link(efi, path);
  return root;
}

export interface Report {
  /** The type of the root file system. */
  readonly root: string | undefined;
  readonly memoryMib: number;
  readonly usedMib: number;
  readonly modules: string[];
  readonly disks: readonly string[];
  readonly networks: readonly string[];
  readonly services: readonly { readonly name: string; readonly state: string }[];
}

/** Waits until the guest has reported and powered off. */
async function reported(machine: Machine, accel: Accel, timeoutMs: number, run: Run): Promise<Report> {
  const watching = watch(machine, {
    deadline: {
      ms: timeoutMs,
      message: `the services have not started within ${timeoutMs / 1000} s of starting the machine (${accel}); ${BOOT_TIMEOUT_HINT}`,
    },
    silenceMs: accel === "kvm" ? SILENCE_MS : undefined,
    signal: run.signal,
  });
  try {
    const [line, problem] = await machine.console.waitFor(
      /^INITRAMFS_ERR (.*?)\r?$|SMOLVM_TS stage=report .*$/m,
      watching.signal,
    );
    if (problem !== undefined) {
      throw new PipelineError(`/init has stopped the boot: ${problem}`, {
        ...{ code: "boot-failed", details: consoleTail(machine) },
      });
    }
    watching.disarm();
    if (!line || !(await endsWithin(machine, POWER_OFF_MS[accel]))) {
      throw new PipelineError(`the machine did not power off within ${POWER_OFF_MS[accel] / 1000} s`, {
        ...{ code: "power-off-failed", details: consoleTail(machine) },
      });
    }
    await machine.console.ended;
    return parseReport(machine.console.text);
  } finally {
    watching.disarm();
  }
}

/** Reads the lines `INITRAMFS …` of a report. */
export function parseReport(console: string): Report {
  const values = (name: string) =>
    [...console.matchAll(new RegExp(`^INITRAMFS ${name} (.*?)\\s*$`, "gm"))].map(([, value]) => value!);
  const [memoryMib = 0, usedMib = 0] = values("memory")[0]?.split(" ").map(Number) ?? [];
  return {
    ...{ root: values("root")[0], memoryMib, usedMib },
    ...{ modules: values("module").sort(), disks: values("disk"), networks: values("network") },
    services: values("service").map((line) => {
      const [name = "", state = ""] = line.split(" ");
      return { name, state };
    }),
  };
}
