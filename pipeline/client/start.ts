import { randomBytes } from "node:crypto";
import { rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PipelineError } from "../schema/error.ts";
import type { Arch, Vmm } from "../schema/names.ts";
import { identityOf } from "../schema/process.ts";
import { type Run, unwatched } from "../schema/progress.ts";
import { type Accel, probeAccel } from "../vm/accel.ts";
import type { Console } from "../vm/console.ts";
import { FirecrackerMachine } from "../vm/firecracker.ts";
import { QemuMachine } from "../vm/qemu.ts";
import { generateKey, type KeyPair, keyParameter, login, runCommand } from "../vm/ssh.ts";
import { copyDisk, growDisk } from "./disk.ts";
import { readPublicKey } from "./public-key.ts";
import type { LocalImage } from "./pull.ts";
import { claim, keyOf, type Machine, register } from "./registry.ts";

/** How a machine is to be. */
export interface StartOptions {
  /** @default a made-up one */
  readonly name?: string | undefined;
  readonly arch: Arch;
  readonly vmm: Vmm;
  /** For listings: the preset, or `base`. */
  readonly image: string;
  readonly flavor: string;
  /** @default 1024 */
  readonly memoryMib?: number | undefined;
  /** @default 2 */
  readonly cpus?: number | undefined;
  /** How large its disk is to be. @default as the image is */
  readonly diskMib?: number | undefined;
  /** A public key that is let in as well: a file. */
  readonly key?: string | undefined;
  /** Firecracker's network: a tap device that is up, with the address 172.16.0.1/30. */
  readonly tap?: string | undefined;
}

/** A machine that lets us in. */
export interface Started {
  readonly machine: Machine;
  /** From the start of the VMM: until PID 1 was ready, and from then until SSH let us in, ms. */
  readonly bootMs: number;
  readonly readyMs: number;
  /** Lets go of it: it runs on. */
  release(): void;
  /** Ends it, cleanly if it can, and removes what it left. */
  stop(): Promise<void>;
}

/** From start to login, ms. */
const TIMEOUT_MS = { kvm: 60_000, tcg: 300_000 } as const;
/** A machine that is told to power off has this long, ms. */
const POWER_OFF_MS = 20_000;
const CONSOLE_LINES = 20;
const DEFAULTS = { memoryMib: 1024, cpus: 2 } as const;

/**
 * Starts a machine from an image that stays as it is, and waits until its SSH lets us in.
 * @throws PipelineError with the console's last lines
 */
export async function start(
  image: LocalImage,
  options: StartOptions,
  run: Run = unwatched(),
): Promise<Started> {
  const accel = await accelFor(options, run);
  const name = options.name ?? `${options.image}-${randomBytes(2).toString("hex")}`;
  const key = generateKey();
  const authorized = [key.publicKey, ...(options.key ? [(await readPublicKey(options.key)).text] : [])];
  const directory = await claim(name);
  try {
    await writeFile(keyOf(name), key.privateKey, { mode: 0o600 });
    await writeFile(`${keyOf(name)}.pub`, `${key.publicKey}\n`);
    const disk = await prepareDisk(image, options, directory);
    run.progress.step("boot");
    const startedAt = performance.now();
    const cmdline = ["quiet", keyParameter(authorized.join("\n"))];
    const vm = await startVm({ image, options, directory, disk, cmdline, accel });
    const machine: Machine = {
      ...{ schema_version: 1, name, vmm: options.vmm, image: options.image, flavor: options.flavor },
      ...{ process: identityOf(vm.pid), ...vm.address, rootfs: image.rootfsPath },
      started_at: new Date().toISOString(),
    };
    // From now on it is found, also if this process is killed.
    await register(machine);
    return await letIn({ vm, machine, directory, key, accel, startedAt }, run);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** How a machine will run here, which is said once. @throws PipelineError when it cannot */
async function accelFor({ arch, vmm, tap }: StartOptions, run: Run): Promise<Accel> {
  if (vmm === "libkrun")
    throw new PipelineError("smolvm starts no libkrun machines: use --vmm qemu or firecracker");
  const { accel, why } = await probeAccel(arch);
  if (vmm === "firecracker") {
    if (accel !== "kvm") throw new PipelineError(`Firecracker needs KVM, and ${why}: use --vmm qemu`);
    if (!tap) throw new PipelineError("Firecracker needs a network: give a tap device with --tap");
  }
  if (accel === "tcg") run.progress.warn(`no KVM, because ${why}: QEMU emulates, which is slower`);
  return accel;
}

interface Disk {
  readonly path: string;
  readonly writes: "overlay" | "image";
}

/** The image itself, under an overlay of QEMU's; or a copy of it, as large as it is to be. */
async function prepareDisk(
  image: LocalImage,
  { diskMib, vmm }: StartOptions,
  directory: string,
): Promise<Disk> {
  if (diskMib === undefined && vmm === "qemu") return { path: image.rootfsPath, writes: "overlay" };
  const path = join(directory, "rootfs.ext4");
  const nowMib = Math.ceil((await stat(image.rootfsPath)).size / 2 ** 20);
  if (diskMib !== undefined && diskMib < nowMib) {
    throw new PipelineError(`--disk ${diskMib}M is less than the image has: ${nowMib}M`);
  }
  await copyDisk(image.rootfsPath, path);
  if (diskMib !== undefined) await growDisk(path, diskMib);
  return { path, writes: "image" };
}

/** What every VMM's machine has. */
interface Vm {
  readonly pid: number;
  readonly console: Console;
  readonly exited: Promise<unknown>;
  readonly address: { readonly host: string; readonly port: number };
  release(): void;
  destroy(): Promise<void>;
}

async function startVm(boot: {
  readonly image: LocalImage;
  readonly options: StartOptions;
  readonly directory: string;
  readonly disk: Disk;
  readonly cmdline: readonly string[];
  readonly accel: Accel;
}): Promise<Vm> {
  const { options, directory, disk, accel } = boot;
  const { arch, memoryMib = DEFAULTS.memoryMib, cpus = DEFAULTS.cpus } = options;
  const common = {
    ...{ arch, memoryMib, cpus, kernel: boot.image.kernelPath, disk: disk.path, cmdline: boot.cmdline },
    consoleLog: join(directory, "console.log"),
  };
  if (options.vmm === "firecracker") {
    return await FirecrackerMachine.start({ ...common, directory, tap: options.tap! });
  }
  return await QemuMachine.start({
    ...common,
    accel,
    writes: disk.writes,
    internet: true,
    outlives: directory,
  });
}

async function letIn(
  booted: {
    readonly vm: Vm;
    readonly machine: Machine;
    readonly directory: string;
    readonly key: KeyPair;
    readonly accel: Accel;
    readonly startedAt: number;
  },
  run: Run,
): Promise<Started> {
  const { vm, machine, directory, key, accel, startedAt } = booted;
  const gone = new AbortController();
  void vm.exited.then(() => gone.abort());
  const deadline = AbortSignal.timeout(TIMEOUT_MS[accel]);
  const signal = AbortSignal.any([run.signal, deadline, gone.signal]);
  try {
    // QEMU's network takes a connection before the guest does, and then asks the guest again after 6 s alone.
    await vm.console.waitFor(/SMOLVM_TS stage=ready/, signal);
    const bootMs = performance.now() - startedAt;
    const client = await login(vm.address, key, signal);
    const readyMs = performance.now() - startedAt - bootMs;
    client.on("error", () => {});
    return {
      ...{ machine, bootMs, readyMs },
      release: () => {
        client.end();
        vm.release();
      },
      stop: async () => {
        const limit = AbortSignal.timeout(POWER_OFF_MS);
        // The answer may be lost: the machine goes down.
        runCommand(client, ["kill", "-TERM", "1"], limit).catch(() => {});
        await Promise.race([vm.exited, new Promise((resolve) => limit.addEventListener("abort", resolve))]);
        client.destroy();
        await vm.destroy();
        await rm(directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    const tail = vm.console.tail(CONSOLE_LINES).map((line) => `  ${line}`);
    await vm.destroy();
    run.signal.throwIfAborted();
    if (error instanceof PipelineError) throw error;
    const why = gone.signal.aborted
      ? "the machine ended before it let us in"
      : `the machine did not let us in within ${TIMEOUT_MS[accel] / 1000} s`;
    throw new PipelineError(why, { details: tail, cause: error });
  }
}
