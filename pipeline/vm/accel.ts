import { spawn } from "node:child_process";
import { ARCHS, type Arch } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import { forgetKvmFailure, knownKvmFailure, rememberKvmFailure } from "./kvm-memory.ts";
import { GuestNotRun } from "./machine.ts";

export const ACCELS = ["kvm", "tcg"] as const;
/** The accelerator that runs a guest: `kvm` (the host's processor) or `tcg` (QEMU's emulator). */
export type Accel = (typeof ACCELS)[number];

/**
 * QEMU's program for guests of each arch, and its machine types by the bus of their devices. The machine type microvm
 * needs `rtc=on`, because without KVM its clock would otherwise start in 1970. ACPI is off, because it hangs under
 * emulation; so the guest powers off by a reset, at which QEMU ends because of `-no-reboot`. Like Firecracker's machine it
 * has an i8042, at which `reboot=k` resets it.
 */
export const EMULATORS = {
  amd64: {
    program: "qemu-system-x86_64",
    machines: {
      pci: { machine: "q35", devices: "pci", more: [] },
      mmio: {
        machine: "microvm,x-option-roms=off,rtc=on,acpi=off",
        devices: "device",
        more: ["-device", "i8042"],
      },
    },
    console: "ttyS0",
    nodeArch: "x64",
  },
  arm64: {
    program: "qemu-system-aarch64",
    machines: {
      pci: { machine: "virt", devices: "pci", more: [] },
      mmio: { machine: "virt", devices: "device", more: [] },
    },
    console: "ttyAMA0",
    nodeArch: "arm64",
  },
} as const satisfies Record<Arch, object>;

/** The arch of the host. Only guests of this arch can run with KVM. */
export const hostArch = (): Arch =>
  ARCHS.find((arch) => EMULATORS[arch].nodeArch === process.arch) ?? "amd64";

/**
 * The accelerator that the user sets with an option or with SMOLVM_ACCEL. @throws PipelineError if SMOLVM_ACCEL is not
 * valid
 */
export function askedAccel(option?: Accel): Accel | undefined {
  if (option) return option;
  const value = process.env.SMOLVM_ACCEL;
  if (!value) return undefined;
  const accel = ACCELS.find((each) => each === value);
  if (accel) return accel;
  throw new PipelineError(`SMOLVM_ACCEL is "${value}", which is not an accelerator`, {
    fix: `set it to ${ACCELS.join(" or ")}, or unset it to use what works on this machine`,
  });
}

export interface AccelOptions {
  /** The guest's arch. */
  readonly arch: Arch;
  /** The accelerator to use; no other is tried. @default SMOLVM_ACCEL, or else KVM, and emulation if KVM does not work */
  readonly accel?: Accel | undefined;
  /** Whether the VMM can emulate. If not, only KVM is tried. @default true */
  readonly emulates?: boolean;
}

const EMULATE = "use `tcg` (--accel or SMOLVM_ACCEL)";

/**
 * Calls `attempt`, which boots a guest, with KVM. If KVM does not run the guest, warns and calls it again with emulation.
 * Only a guest that ran proves that KVM works: `/dev/kvm` may exist, and even make a virtual CPU, and still run no guest.
 * If KVM failed and emulation then worked, KVM is not tried again until the host reboots.
 * @throws PipelineError that `attempt` throws
 */
export async function withAccelerator<T>(
  { arch, accel, emulates = true }: AccelOptions,
  run: Run,
  attempt: (accel: Accel) => Promise<T>,
): Promise<T> {
  if (!emulates) return await attempt("kvm");
  const asked = askedAccel(accel);
  const reason = reasonAgainstKvm(arch, asked);
  if (reason) {
    if (asked !== "tcg")
      run.progress.warn(`KVM is not used, because ${reason}: QEMU emulates the guest, which is slower`);
    return await attempt("tcg");
  }
  let failure: GuestNotRun;
  try {
    const done = await attempt("kvm");
    forgetKvmFailure();
    return done;
  } catch (error) {
    run.signal.throwIfAborted();
    if (!(error instanceof GuestNotRun)) throw error;
    if (asked === "kvm") throw new GuestNotRun(error.problem, { details: error.details, fix: EMULATE });
    failure = error;
  }
  run.progress.warn(
    `KVM does not run the guest (${failure.message}): QEMU emulates the guest, which is slower`,
  );
  const done = await attempt("tcg");
  rememberKvmFailure(failure.message);
  return done;
}

/**
 * Why KVM is not tried; undefined if it may work. @throws PipelineError if the user requires KVM and it cannot run the
 * guest
 */
export function reasonAgainstKvm(arch: Arch, asked: Accel | undefined): string | undefined {
  if (asked === "tcg") return "the user chose emulation";
  if (process.arch !== EMULATORS[arch].nodeArch) {
    if (asked !== "kvm") return `the guest is ${arch}, but this machine is ${hostArch()}`;
    throw new PipelineError(`KVM cannot run this guest: it is ${arch}, but this machine is ${hostArch()}`, {
      code: "kvm-unavailable",
      fix: EMULATE,
    });
  }
  if (asked === "kvm") return undefined;
  const known = knownKvmFailure();
  return known && `it failed to run a guest since this machine last booted (${known})`;
}

/**
 * Tests whether QEMU can make a virtual CPU with `/dev/kvm`. (That does not prove that the CPU runs a guest.) Returns
 * undefined if it can, and otherwise the last line of QEMU's error. @throws PipelineError if QEMU is not installed
 */
export async function vcpuFailure(): Promise<string | undefined> {
  const { program, machines } = EMULATORS[hostArch()];
  const args = ["-accel", "kvm", "-cpu", "host", "-machine", machines.pci.machine];
  const child = spawn(program, [...args, "-nodefaults", "-display", "none", "-S", "-qmp", "stdio"], {
    stdio: ["pipe", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString("utf8");
  });
  child.stdin.on("error", () => {});
  child.stdin.end('{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n');
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", () => reject(missing(program)));
    child.once("close", resolve);
  });
  return code === 0 ? undefined : errors.trim().split("\n").at(-1) || "QEMU failed without a message";
}

/** The error for a program of QEMU that is not installed. Callers must not treat it as a failure of KVM. */
export const missing = (program: string) =>
  new PipelineError(`${program} is not installed`, {
    ...{ code: "program-missing", fix: "install it; in this repository `bash scripts/setup.sh` does that" },
  });
