import { randomBytes } from "node:crypto";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DEFAULT_CPUS, DEFAULT_MEMORY_MIB, DEFAULT_VMM } from "../../schema/defaults.ts";
import type { Arch, Vmm } from "../../schema/names.ts";
import { identityOf } from "../../util/process.ts";
import { type Run, unwatched } from "../../util/progress.ts";
import { type Accel, hostArch, withAccelerator } from "../../vm/accel.ts";
import type { CommandResult } from "../../vm/command-result.ts";
import type { Disk } from "../../vm/driver.ts";
import type { Machine as Vm } from "../../vm/machine.ts";
import { openSession, POWER_OFF_MS, powerOff, type Session } from "../../vm/session.ts";
import { generateKey, keyParameter, runCommand } from "../../vm/ssh.ts";
import { driverOf } from "../../vm/vmms.ts";
import type { LocalImage } from "../pull.ts";
import { copyDisk, growDisk } from "./disk.ts";
import { claim, keyOf, type Machine, register, unregister } from "./registry.ts";
import { checkDisk, checkStartOptions } from "./start-options.ts";
import { notOff } from "./stop.ts";

/** The options of a machine. */
export interface StartOptions {
  /** The machine's name. @default the image's name and four random hex digits */
  readonly name?: string | undefined;
  /** The guest's arch. @default the host's */
  readonly arch?: Arch | undefined;
  /** @default qemu */
  readonly vmm?: Vmm | undefined;
  /** The preset, or `base`; shown by `smolvm ps`. @default image */
  readonly image?: string | undefined;
  /** The flavor; shown by `smolvm ps`. @default the image's */
  readonly flavor?: string | undefined;
  /** @default 1024 */
  readonly memoryMib?: number | undefined;
  /** @default 2 */
  readonly cpus?: number | undefined;
  /** The size of its disk, MiB. It cannot be smaller than the image. @default the image's size */
  readonly diskMib?: number | undefined;
  /** The path of a public key with which root may log in, in addition to the machine's own key. @default none */
  readonly key?: string | undefined;
  /** The accelerator. @default SMOLVM_ACCEL, or else KVM if it works, or else emulation */
  readonly accel?: Accel | undefined;
  /** The tap device of Firecracker's network. It must be up and have the address 172.16.0.1/30. */
  readonly tap?: string | undefined;
}

/** The options with their defaults. */
type Asked = StartOptions &
  Required<{ [name in "arch" | "vmm" | "image" | "flavor"]: NonNullable<StartOptions[name]> }>;

/** A started machine, with an SSH login as root. */
export interface Started {
  /** What is recorded of the machine. */
  readonly machine: Machine;
  /** From the start of the VMM until PID 1 was ready, ms. */
  readonly bootMs: number;
  /** From then until the SSH login, ms. */
  readonly readyMs: number;
  /** Runs a command, given as a list of words, and waits until it ends. `output` has both stdout and stderr. */
  run(words: readonly string[]): Promise<CommandResult>;
  /** Detaches; the machine keeps running. */
  release(): void;
  /** Powers the machine off and removes its directory. If it does not power off, its process is killed. */
  stop(): Promise<void>;
}

/**
 * Starts a machine from an image and waits for an SSH login as root. The image is not changed.
 * @throws PipelineError with the console's last lines if it does not boot; other codes for options that are not valid
 */
export async function start(
  image: LocalImage,
  wanted: StartOptions = {},
  run: Run = unwatched(),
): Promise<Started> {
  const options = { ...wanted, ...defaultsFor(image, wanted) };
  const theirs = await checkStartOptions(options);
  const { emulates } = driverOf(options.vmm);
  const name = options.name ?? `${options.image}-${randomBytes(2).toString("hex")}`;
  const key = generateKey();
  const authorized = [key.publicKey, ...(theirs === undefined ? [] : [theirs])];
  const directory = await claim(name, run);
  try {
    await writeFile(keyOf(name), key.privateKey, { mode: 0o600 });
    await writeFile(`${keyOf(name)}.pub`, `${key.publicKey}\n`);
    const disk = await prepareDisk(image, options, directory);
    const cmdline = ["quiet", keyParameter(authorized.join("\n"))];
    const settings = { image, options, directory, disk, cmdline };
    const startedAt = new Date().toISOString();
    run.progress.step("boot");
    return await withAccelerator({ ...options, emulates }, run, async (accel) => {
      const registered = (vm: Vm): Machine => ({
        ...{ schema_version: 1, name, vmm: options.vmm, image: options.image, flavor: options.flavor },
        ...{ process: identityOf(vm.pid), ...vm.address!, rootfs: image.rootfsPath, started_at: startedAt },
      });
      const bootOptions = {
        accel,
        start: (signal: AbortSignal) => startVmm(settings, accel, signal),
        // From now on `smolvm ps` and `smolvm stop` find the machine, even if this process is killed.
        onStart: (vm: Vm) => register(registered(vm)),
      };
      const session = await openSession(bootOptions, key, run);
      return started(registered(session.machine), session, run);
    });
  } catch (error) {
    await unregister(name);
    throw error;
  }
}

const defaultsFor = (
  local: LocalImage,
  { arch = hostArch(), vmm = DEFAULT_VMM, image = "image", flavor = local.flavor }: StartOptions,
) => ({ arch, vmm, image, flavor });

function started(machine: Machine, session: Session, run: Run): Started {
  const { bootMs, loginMs: readyMs, client, accel, machine: vm } = session;
  return {
    ...{ machine, bootMs, readyMs },
    run: (words) => runCommand(client, words, session.signal),
    release: () => {
      client.end();
      vm.release();
    },
    stop: async () => {
      if (!(await powerOff(vm, client, POWER_OFF_MS[accel]))) run.progress.warn(notOff(machine.name));
      await vm.destroy();
      await unregister(machine.name, machine);
    },
  };
}

/** The image itself if the VMM has overlays and its size is kept; otherwise a copy in the machine's directory. */
async function prepareDisk(image: LocalImage, { diskMib, vmm }: Asked, directory: string): Promise<Disk> {
  if (diskMib === undefined && driverOf(vmm).overlays) return { path: image.rootfsPath, writes: "overlay" };
  const path = join(directory, "rootfs.ext4");
  checkDisk(diskMib, (await stat(image.rootfsPath)).size);
  await copyDisk(image.rootfsPath, path);
  if (diskMib !== undefined) await growDisk(path, diskMib);
  return { path, writes: "image" };
}

interface Settings {
  readonly image: LocalImage;
  readonly options: Asked;
  readonly directory: string;
  readonly disk: Disk;
  readonly cmdline: readonly string[];
}

async function startVmm(settings: Settings, accel: Accel, signal: AbortSignal): Promise<Vm> {
  const { options, directory, disk, cmdline } = settings;
  const { arch, memoryMib = DEFAULT_MEMORY_MIB, cpus = DEFAULT_CPUS } = options;
  const machine = {
    ...{ arch, accel, memoryMib, cpus, kernel: settings.image.kernelPath, disk, cmdline },
    ...{ tap: options.tap, consoleLog: join(directory, "console.log"), directory },
  };
  return await driverOf(options.vmm).start(machine, signal);
}
