import { DEFAULT_CPUS, DEFAULT_MEMORY_MIB } from "../../schema/defaults.ts";
import type { Arch } from "../../schema/names.ts";
import { type Accel, EMULATORS } from "../accel.ts";

/**
 * Where a machine's virtio devices sit: on PCI, as on QEMU's usual machines, or on MMIO, as in Firecracker
 * (on amd64 that is QEMU's microvm, which starts an ELF kernel by PVH).
 */
export type Bus = "pci" | "mmio";

export interface QemuOptions {
  readonly arch: Arch;
  readonly accel: Accel;
  /** @default pci */
  readonly bus?: Bus | undefined;
  readonly kernel: string;
  readonly initrd?: string | undefined;
  /** The root file system's image. @default no disk */
  readonly disk?: string;
  /** Where writes go: to a throwaway overlay, or to the image itself. @default overlay */
  readonly writes?: "overlay" | "image";
  /** @default DEFAULT_MEMORY_MIB */
  readonly memoryMib?: number | undefined;
  /** @default DEFAULT_CPUS */
  readonly cpus?: number | undefined;
  /** Appended to what every machine boots with. */
  readonly cmdline: readonly string[];
  /** Whether it has a network card, by which its SSH port is reached. @default true */
  readonly network?: boolean;
  /** Whether the guest reaches more than this machine. @default false */
  readonly internet?: boolean;
  /**
   * A directory for what belongs to a machine that outlives this process: `qmp`, its control socket, and `qemu.log`, what QEMU
   * says. Its console is then the log itself. @default it ends with this process
   */
  readonly outlives?: string;
  /** Where the console's output is kept. */
  readonly consoleLog: string;
}

/**
 * Emulated CPUs take turns in one thread. In threads of their own (QEMU 7.2's default) one of them now and then runs code
 * that another has just patched: "Oops: int3" in 2 of 85 boots, against none in 70, which took as long.
 */
const ACCELERATORS: Record<Accel, string> = { kvm: "kvm", tcg: "tcg,thread=single" };
/** The address that QEMU's user network gives its one guest. */
const GUEST_IP = "ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off:10.0.2.3";

/** QEMU's command line; `socket` is where it makes its control socket. */
export function qemuArguments(options: QemuOptions, socket: string): string[] {
  const { machines, console } = EMULATORS[options.arch];
  const { bus = "pci", network = true, disk } = options;
  const { machine, reboot, devices } = machines[bus];
  const cmdline = [
    `console=${console} reboot=${reboot} panic=1`,
    ...(disk === undefined ? [] : ["root=/dev/vda rw init=/init"]),
    ...(network ? [GUEST_IP] : []),
    ...options.cmdline,
  ];
  return [
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    ...["-machine", machine, "-accel", ACCELERATORS[options.accel]],
    ...["-cpu", options.accel === "kvm" ? "host" : "max"],
    ...["-smp", String(options.cpus ?? DEFAULT_CPUS), "-m", String(options.memoryMib ?? DEFAULT_MEMORY_MIB)],
    ...["-kernel", options.kernel, ...(options.initrd ? ["-initrd", options.initrd] : [])],
    ...["-append", cmdline.join(" ")],
    ...(disk === undefined
      ? []
      : [
          ...[
            "-drive",
            `file=${disk.replaceAll(",", ",,")},format=raw,if=none,id=root,snapshot=${options.writes === "image" ? "off" : "on"}`,
          ],
          ...["-device", `virtio-blk-${devices},drive=root`],
        ]),
    ...["-device", `virtio-rng-${devices}`],
    ...(network
      ? [
          ...[
            "-netdev",
            `user,id=net,restrict=${options.internet ? "off" : "on"},hostfwd=tcp:127.0.0.1:0-:22`,
          ],
          ...["-device", `virtio-net-${devices},netdev=net`],
        ]
      : []),
    ...["-serial", "stdio", "-qmp", `unix:${socket},server=on,wait=off`],
  ];
}
