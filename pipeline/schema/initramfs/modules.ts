import type { InitramfsModule } from "../cells.ts";
import { MODULE_SETS, type ModuleSet } from "./choices.ts";

/** A kernel module of a set, and why it is in it. */
interface Listed {
  readonly name: string;
  /** For people: what is there with it, and what is not without it. */
  readonly why: string;
  /** Whether `/init` loads it before devices are detected. @default false */
  readonly essential?: true;
  /** The distributions whose kernel has it neither as a module nor built in. @default none: a build without it fails */
  readonly absentIn?: readonly string[];
}

/** Modules with one purpose, in the order in which they are loaded. */
interface Group {
  readonly purpose: string;
  readonly modules: readonly Listed[];
}

/** Debian's cloud kernel is for virtual machines of clouds: it drives no USB, and no network card of a real machine. */
const NOT_IN_CLOUD = ["debian"];
const ofHardware = (name: string, why: string): Listed => ({ name, why, absentIn: NOT_IN_CLOUD });

/** What each set has beside the sets before it. */
const ADDED: Readonly<Record<ModuleSet, readonly Group[]>> = {
  // Enough to boot a virtual machine, and a server from its SATA or NVMe disk.
  minimal: [
    {
      purpose: "storage",
      modules: [
        { name: "virtio_pci", why: "the bus of every virtio device below", essential: true },
        { name: "virtio_blk", why: "disks of QEMU, KVM and most clouds", essential: true },
        {
          name: "virtio_scsi",
          why: "disks of QEMU with many disks, and of Google and Alibaba clouds",
          essential: true,
        },
        { name: "sd_mod", why: "the disk itself, on SCSI, SATA and USB", essential: true },
        { name: "ahci", why: "SATA disks", essential: true },
        { name: "nvme", why: "NVMe disks", essential: true },
      ],
    },
    {
      purpose: "network",
      modules: [
        { name: "virtio_net", why: "network of QEMU, KVM and most clouds", essential: true },
        { name: "af_packet", why: "raw packets, without which no DHCP client gets an address" },
      ],
    },
    {
      purpose: "file systems",
      modules: [
        { name: "ext4", why: "the usual file system of disks that are there already" },
        { name: "btrfs", why: "the file system that Zero-OS makes on its disks" },
        { name: "overlay", why: "writable layers over read-only ones, for containers" },
        { name: "fuse", why: "file systems in programs, such as rfs" },
      ],
    },
  ],
  // And the hardware that most machines under a desk or in a rack have.
  standard: [
    {
      purpose: "storage",
      modules: [
        ofHardware("xhci_pci", "USB 3 controllers"),
        ofHardware("ehci_pci", "USB 2 controllers of older machines"),
        ofHardware("usb-storage", "USB sticks and disks"),
        ofHardware("uas", "fast USB disks"),
        { name: "dm_mod", why: "LVM and encrypted disks" },
        { name: "loop", why: "file systems in files" },
      ],
    },
    {
      purpose: "input",
      modules: [
        ofHardware("usbhid", "USB keyboards, for the rescue shell"),
        { name: "hid_generic", why: "keyboards without a driver of their own" },
      ],
    },
    {
      purpose: "network",
      modules: [
        ofHardware("e1000e", "Intel's gigabit cards on mainboards"),
        ofHardware("igb", "Intel's gigabit cards of servers"),
        ofHardware("ixgbe", "Intel's 10 gigabit cards"),
        ofHardware("r8169", "Realtek's cards, on most mainboards for desks"),
        { name: "vmxnet3", why: "network of VMware" },
        { name: "ipv6", why: "IPv6, where it is not built in" },
        { name: "bridge", why: "networks of containers and virtual machines" },
        { name: "veth", why: "the ends of such networks" },
        { name: "tun", why: "virtual machines and VPNs in programs" },
      ],
    },
    {
      purpose: "file systems",
      modules: [
        { name: "vfat", why: "EFI partitions and USB sticks" },
        { name: "nls_cp437", why: "the names of files on vfat" },
        { name: "nls_utf8", why: "names of files in UTF-8 on vfat" },
        { name: "squashfs", why: "compressed read-only images" },
      ],
    },
    {
      purpose: "virtual machines",
      modules: [
        { name: "virtio_balloon", why: "the host takes memory back" },
        { name: "virtio-rng", why: "random numbers of the host, so that nothing waits for them at boot" },
      ],
    },
  ],
  // And what larger servers and the other clouds have.
  full: [
    {
      purpose: "storage",
      modules: [
        ofHardware("megaraid_sas", "Broadcom's RAID controllers"),
        ofHardware("mpt3sas", "Broadcom's SAS controllers"),
        ofHardware("hpsa", "HP's Smart Array controllers"),
        { name: "vmw_pvscsi", why: "disks of VMware" },
        { name: "raid1", why: "mirrored disks" },
        { name: "dm_crypt", why: "encrypted disks" },
      ],
    },
    {
      purpose: "network",
      modules: [
        ofHardware("i40e", "Intel's 40 gigabit cards"),
        ofHardware("ice", "Intel's 100 gigabit cards"),
        ofHardware("tg3", "Broadcom's gigabit cards of servers"),
        ofHardware("bnxt_en", "Broadcom's 10 to 200 gigabit cards"),
        { name: "mlx4_en", why: "older cards of Mellanox" },
        { name: "mlx5_core", why: "cards of Mellanox (NVIDIA)" },
        { name: "ena", why: "network of Amazon's cloud" },
        { name: "bonding", why: "several cards as one" },
        { name: "8021q", why: "VLANs" },
        { name: "wireguard", why: "encrypted networks between machines" },
        { name: "nf_tables", why: "the firewall" },
      ],
    },
    {
      purpose: "file systems",
      modules: [
        { name: "xfs", why: "the usual file system of Red Hat's distributions" },
        { name: "isofs", why: "installation media and configuration drives" },
        { name: "nfs", why: "file systems of other machines" },
      ],
    },
  ],
};

/** The sets that a set contains, itself among them. */
export const setsIn = (set: ModuleSet): ModuleSet[] => MODULE_SETS.slice(0, MODULE_SETS.indexOf(set) + 1);

/** What a set adds to the sets before it, for the documents. */
export const addedBy = (set: ModuleSet): readonly Group[] => ADDED[set];

/** The modules of a set for the kernel of a distribution, in the order in which they are loaded. */
export const modulesOf = (set: ModuleSet, kernelFlavor: string): InitramfsModule[] =>
  setsIn(set).flatMap((each) =>
    ADDED[each]
      .flatMap(({ modules }) => modules)
      .map(({ name, essential = false, absentIn = [] }) => ({
        ...{ name, set: each, essential, optional: absentIn.includes(kernelFlavor) },
      })),
  );
