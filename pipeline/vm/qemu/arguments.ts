import { DEFAULT_CPUS, DEFAULT_MEMORY_MIB } from "../../schema/defaults.ts";
import { type Arch, type KernelFormat, kernelFormatOf } from "../../schema/names.ts";
import { type Accel, EMULATORS } from "../accel.ts";

/**
 * The bus of a machine's virtio devices: PCI, as in QEMU's usual machine types, or MMIO, as in Firecracker
 * (on amd64 that is QEMU's machine type microvm, which starts an ELF kernel by PVH).
 */
export type Bus = "pci" | "mmio";

/** The kernel format that a machine starts: with PCI devices the one for QEMU, with MMIO devices the one for Firecracker. */
export const formatOn = (bus: Bus, arch: Arch): KernelFormat =>
  kernelFormatOf(bus === "pci" ? "qemu" : "firecracker", arch);

/** The two parts of a UEFI firmware: images of flash memory. */
export interface Firmware {
  /** The program, which is only read. */
  readonly code: string;
  /** The variables, which the firmware changes: a copy for this machine alone. */
  readonly variables: string;
}

export interface QemuOptions {
  readonly arch: Arch;
  readonly accel: Accel;
  /** @default pci */
  readonly bus?: Bus | undefined;
  /** The kernel that QEMU starts; undefined for a machine whose firmware starts what is on its disk. */
  readonly kernel?: string | undefined;
  readonly initrd?: string | undefined;
  /** UEFI firmware, which starts `EFI/BOOT/BOOT<ARCH>.EFI` of a disk. @default QEMU's own firmware */
  readonly firmware?: Firmware | undefined;
  /** The image of the root file system. @default no disk */
  readonly disk?: string;
  /** An image that the guest sees as a virtio disk, and does not boot from. Its writes go to a temporary overlay. @default none */
  readonly dataDisk?: string | undefined;
  /** A directory that the guest sees as a disk with one FAT file system, which it cannot write. @default none */
  readonly fatDisk?: string | undefined;
  /** Where the guest's writes go: to a temporary overlay, or to the image itself. @default overlay */
  readonly writes?: "overlay" | "image";
  /** @default DEFAULT_MEMORY_MIB */
  readonly memoryMib?: number | undefined;
  /** @default DEFAULT_CPUS */
  readonly cpus?: number | undefined;
  /** Kernel parameters, appended to those that every machine has. */
  readonly cmdline: readonly string[];
  /**
   * Whether the kernel gets the parameters that SmolVM sends on Firecracker (its `src/smolvm/cli/main.py`), in place of our
   * own: there is no console then. (On arm64 the kernel still finds one, in QEMU's device tree.) @default false
   */
  readonly asFirecracker?: boolean | undefined;
  /** Whether the machine has a network card. SSH needs it. @default true */
  readonly network?: boolean;
  /** Whether the guest can reach the internet. @default false */
  readonly internet?: boolean;
  /**
   * The directory of a machine that keeps running when this process ends. QEMU makes its control socket `qmp` and its log
   * `qemu.log` there, and writes the console directly to `consoleLog`. @default the machine ends with this process
   */
  readonly outlives?: string;
  /** The path of the console's log. */
  readonly consoleLog: string;
}

/**
 * Emulated CPUs share one thread. With one thread per CPU (QEMU 7.2's default), a CPU sometimes runs code that another CPU
 * has just patched: 2 of 85 boots failed with "Oops: int3". With one thread, 0 of 70 failed, and boots were as fast.
 */
const ACCELERATORS: Record<Accel, string> = { kvm: "kvm", tcg: "tcg,thread=single" };
/** The kernel parameter for the guest's address in QEMU's user network. QEMU's own name server follows it. */
const GUEST_IP = "ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off";
const NAME_SERVER = "10.0.2.3";
/** What SmolVM sends on Firecracker. Firecracker itself adds the root device. */
const FIRECRACKER_PARAMETERS = "reboot=k panic=1 pci=off init=/init 8250.nr_uarts=0";

/** The arguments of QEMU. `socket` is the path of its control socket. */
export function qemuArguments(options: QemuOptions, socket: string): string[] {
  const { machines, console } = EMULATORS[options.arch];
  const { bus = "pci", network = true, disk } = options;
  const { machine, devices, more } = machines[bus];
  const parameters = options.asFirecracker
    ? [FIRECRACKER_PARAMETERS, "root=/dev/vda rw", GUEST_IP]
    : [
        `console=${console} reboot=k panic=1`,
        ...(disk === undefined ? [] : ["root=/dev/vda rw init=/init"]),
        ...(network ? [`${GUEST_IP}:${NAME_SERVER}`] : []),
      ];
  const cmdline = [...parameters, ...options.cmdline];
  return [
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    ...["-machine", machine, "-accel", ACCELERATORS[options.accel], ...more],
    ...["-cpu", options.accel === "kvm" ? "host" : "max"],
    ...["-smp", String(options.cpus ?? DEFAULT_CPUS), "-m", String(options.memoryMib ?? DEFAULT_MEMORY_MIB)],
    ...startArguments(options, cmdline.join(" ")),
    ...(options.fatDisk === undefined
      ? []
      : [
          ...["-drive", `file=fat:${quoted(options.fatDisk)},format=raw,if=none,id=fat,read-only=on`],
          ...["-device", `virtio-blk-${devices},drive=fat`],
        ]),
    ...(disk === undefined
      ? []
      : [
          ...[
            "-drive",
            `file=${quoted(disk)},format=raw,if=none,id=root,snapshot=${options.writes === "image" ? "off" : "on"}`,
          ],
          ...["-device", `virtio-blk-${devices},drive=root`],
        ]),
    ...(options.dataDisk === undefined
      ? []
      : [
          ...["-drive", `file=${quoted(options.dataDisk)},format=raw,if=none,id=data,snapshot=on`],
          ...["-device", `virtio-blk-${devices},drive=data`],
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

/** A value in QEMU's options, in which a comma ends a value. */
const quoted = (value: string) => value.replaceAll(",", ",,");

/** What QEMU starts, with the kernel's parameters. systemd's EFI stub appends those that it finds in SMBIOS. */
function startArguments({ kernel, initrd, firmware }: QemuOptions, cmdline: string): string[] {
  if (kernel !== undefined)
    return ["-kernel", kernel, ...(initrd ? ["-initrd", initrd] : []), "-append", cmdline];
  if (firmware === undefined) throw new Error("a machine needs a kernel or a firmware");
  return [
    ...["-drive", `if=pflash,format=raw,readonly=on,file=${quoted(firmware.code)}`],
    ...["-drive", `if=pflash,format=raw,file=${quoted(firmware.variables)}`],
    ...["-smbios", `type=11,value=io.systemd.stub.kernel-cmdline-extra=${quoted(cmdline)}`],
  ];
}
