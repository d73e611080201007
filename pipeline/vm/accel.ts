import { spawn } from "node:child_process";
import { ARCHS, type Arch } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import { forgetKvmFailure, knownKvmFailure, rememberKvmFailure } from "./kvm-memory.ts";
import { GuestNotRun } from "./machine.ts";

export const ACCELS = ["kvm", "tcg"] as const;
/** What runs a guest's instructions: the processor (KVM), or QEMU (its emulator TCG). */
export type Accel = (typeof ACCELS)[number];

/**
 * What QEMU is called for a guest of `arch`, and its machines by the bus of their devices. The microvm has a
 * clock (`rtc`; without one and without KVM it would be 1970), but no ACPI: that hangs under emulation, so it
 * ends by a reset (`reboot=t`) that QEMU was told not to carry out.
 */
export const EMULATORS = {
  amd64: {
    program: "qemu-system-x86_64",
    machines: {
      pci: { machine: "q35", reboot: "k", devices: "pci" },
      mmio: { machine: "microvm,x-option-roms=off,rtc=on,acpi=off", reboot: "t", devices: "device" },
    },
    console: "ttyS0",
    nodeArch: "x64",
  },
  arm64: {
    program: "qemu-system-aarch64",
    machines: {
      pci: { machine: "virt", reboot: "k", devices: "pci" },
      mmio: { machine: "virt", reboot: "k", devices: "device" },
    },
    console: "ttyAMA0",
    nodeArch: "arm64",
  },
} as const satisfies Record<Arch, object>;

/** The arch of this machine, whose guests need no emulation. */
export const hostArch = (): Arch =>
  ARCHS.find((arch) => EMULATORS[arch].nodeArch === process.arch) ?? "amd64";

/** What a user decides by hand: an option, or else SMOLVM_ACCEL. @throws PipelineError at another value */
export function askedAccel(option?: Accel): Accel | undefined {
  if (option) return option;
  const value = process.env.SMOLVM_ACCEL;
  if (!value) return undefined;
  const accel = ACCELS.find((each) => each === value);
  if (accel) return accel;
  throw new PipelineError(
    `SMOLVM_ACCEL "${value}": one of ${ACCELS.join(", ")}, or empty for what works here`,
  );
}

export interface AccelOptions {
  /** The guest's. */
  readonly arch: Arch;
  /** The accelerator to use, whatever works here. @default SMOLVM_ACCEL, or else KVM where it runs the guest */
  readonly accel?: Accel | undefined;
  /** Whether the VMM can emulate; otherwise KVM is the only try. @default true */
  readonly emulates?: boolean;
}

/**
 * Does `attempt`, which boots a guest, with KVM; where KVM does not run the guest, once more under emulation, with a warning
 * that says why. Only a guest that has run proves KVM: `/dev/kvm` may be there, and even make a virtual CPU, and not work.
 * A KVM that failed a guest which emulation then ran is not tried again until this machine boots anew.
 * @throws PipelineError what `attempt` throws
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
    if (asked !== "tcg") run.progress.warn(`no KVM, because ${reason}: QEMU emulates, which is slower`);
    return await attempt("tcg");
  }
  let failure: GuestNotRun;
  try {
    const done = await attempt("kvm");
    forgetKvmFailure();
    return done;
  } catch (error) {
    run.signal.throwIfAborted();
    if (asked === "kvm" || !(error instanceof GuestNotRun)) throw error;
    failure = error;
  }
  run.progress.warn(
    `KVM does not run the guest (${failure.message}): QEMU emulates instead, which is slower`,
  );
  const done = await attempt("tcg");
  rememberKvmFailure(failure.message);
  return done;
}

/** Why KVM need not be tried; undefined where it may work. @throws PipelineError where it was asked for and cannot */
export function reasonAgainstKvm(arch: Arch, asked: Accel | undefined): string | undefined {
  if (asked === "tcg") return "emulation was asked for";
  if (process.arch !== EMULATORS[arch].nodeArch) {
    if (asked !== "kvm") return `the guest is ${arch}, and this machine is not`;
    throw new PipelineError(
      `KVM runs guests of this machine's arch (${hostArch()}), and this one is ${arch}`,
      { code: "kvm-unavailable", fix: "use tcg" },
    );
  }
  if (asked === "kvm") return undefined;
  const known = knownKvmFailure();
  return known && `it did not run a guest since this machine booted (${known})`;
}

/**
 * Whether QEMU can make a virtual CPU with `/dev/kvm`, which does not say that it runs: the last line of what it says where
 * it cannot. @throws PipelineError where QEMU is missing
 */
export async function vcpuFailure(): Promise<string | undefined> {
  const { program, machines } = EMULATORS[hostArch()];
  const args = ["-accel", "kvm", "-cpu", "host", "-machine", machines.pci.machine];
  const child = spawn(program, [...args, "-nodefaults", "-display", "none", "-S", "-qmp", "stdio"], {
    stdio: ["pipe", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString("utf8");
  });
  child.stdin.on("error", () => {});
  child.stdin.end('{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n');
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", () => reject(missing(program)));
    child.once("close", resolve);
  });
  return code === 0 ? undefined : said.trim().split("\n").at(-1) || "QEMU aborts";
}

/** QEMU is not there: not to be taken for a KVM that does not work. */
export const missing = (program: string) =>
  new PipelineError(`${program} is not installed`, {
    ...{ code: "program-missing", fix: "`bash scripts/setup.sh` installs what a boot needs" },
  });
