import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { ARCHS, type Arch } from "../schema/names.ts";

export type Accel = "kvm" | "tcg";

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

export interface AccelAnswer {
  readonly accel: Accel;
  /** Why it is not KVM. */
  readonly why?: string;
}

/**
 * Whether KVM works for a guest of `arch`. `/dev/kvm` may be there and still not: a machine is created
 * with it and told to quit, which fails where a virtual CPU cannot be made.
 */
export async function probeAccel(arch: Arch): Promise<AccelAnswer> {
  const { program, machines, nodeArch } = EMULATORS[arch];
  if (process.arch !== nodeArch) return { accel: "tcg", why: `the guest is ${arch}, this machine is not` };
  if (!existsSync("/dev/kvm")) return { accel: "tcg", why: "there is no /dev/kvm" };
  const args = [
    "-accel",
    "kvm",
    "-cpu",
    "host",
    "-machine",
    machines.pci.machine,
    "-nodefaults",
    "-display",
    "none",
    "-S",
  ];
  const child = spawn(program, [...args, "-qmp", "stdio"], { stdio: ["pipe", "ignore", "ignore"] });
  child.stdin.on("error", () => {});
  child.stdin.end('{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n');
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("close", resolve);
  });
  if (code === 0) return { accel: "kvm" };
  return { accel: "tcg", why: "QEMU cannot make a virtual CPU with /dev/kvm" };
}
