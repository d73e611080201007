import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { x } from "tinyexec";
import { DEFAULT_CPUS, DEFAULT_MEMORY_MIB } from "../../schema/defaults.ts";
import type { Arch } from "../../schema/names.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { type Accel, withAccelerator } from "../accel.ts";
import { FirecrackerMachine } from "../firecracker/machine.ts";
import { QemuMachine } from "../qemu/machine.ts";
import { boot, LOGIN_MS, openSession, POWER_OFF_MS, powerOff } from "../session.ts";
import { generateKey, keyParameter } from "../ssh.ts";
import { consoleTail } from "../watch.ts";
import { BOOT_TIMEOUT_HINT, type Kernel } from "./verify.ts";

export interface FirecrackerProofOptions {
  readonly arch: Arch;
  readonly disk: string;
  readonly kernel: Kernel;
  readonly consoleLog: string;
  /** @default LOGIN_MS, by accelerator */
  readonly timeoutMs?: number | undefined;
}

/**
 * Boots an image as SmolVM boots it on Firecracker, with QEMU in its place: devices over MMIO, the same kernel parameters,
 * no console. Logs in with a new key and powers off. Returns the accelerator.
 * @throws PipelineError if that fails
 */
export async function verifyStandIn(
  options: FirecrackerProofOptions & { readonly accel?: Accel | undefined },
  run: Run,
): Promise<Accel> {
  const { arch, disk, consoleLog } = options;
  return await withAccelerator(options, run, async (accel) => {
    const { timeoutMs = LOGIN_MS[accel] } = options;
    const key = generateKey();
    const machineOptions = {
      ...{ ...options.kernel, arch, accel, disk, consoleLog, bus: "mmio" as const, asFirecracker: true },
      cmdline: [keyParameter(key.publicKey)],
    };
    const start = (signal: AbortSignal) => QemuMachine.start(machineOptions, signal);
    const session = await openSession(
      { accel, start, timeoutMs, hasConsole: false, hint: BOOT_TIMEOUT_HINT },
      key,
      run,
    );
    const { machine, client, signal } = session;
    try {
      signal.throwIfAborted();
      if (await powerOff(machine, client, POWER_OFF_MS[accel])) return accel;
      throw new PipelineError(
        `the machine did not power off within ${POWER_OFF_MS[accel] / 1000} s of SIGTERM to PID 1`,
        { code: "power-off-failed", details: consoleTail(machine) },
      );
    } finally {
      await machine.destroy();
    }
  });
}

/**
 * Boots an image on Firecracker until `/init` is ready. The machine has a serial console and no network: a network needs a
 * tap device, which only root can make. The guest writes to a copy of the image.
 * @throws PipelineError with the console's last lines if it does not boot
 */
export async function verifyFirecracker(options: FirecrackerProofOptions, run: Run): Promise<void> {
  const { arch, consoleLog, timeoutMs } = options;
  const directory = await mkdtemp(join(tmpdir(), "smolvm-vm-"));
  try {
    const disk = join(directory, "rootfs.ext4");
    await x("cp", ["--reflink=auto", "--sparse=always", options.disk, disk], { throwOnError: true });
    const machineOptions = {
      ...{ arch, disk, consoleLog, directory, kernel: options.kernel.kernel, tap: undefined },
      ...{ memoryMib: DEFAULT_MEMORY_MIB, cpus: DEFAULT_CPUS, cmdline: [] },
    };
    const start = (signal: AbortSignal) => FirecrackerMachine.start(machineOptions, signal);
    const { machine, watch } = await boot({ accel: "kvm", start, timeoutMs, hint: BOOT_TIMEOUT_HINT }, run);
    watch.disarm();
    await machine.destroy();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
