import type { PackerConfig } from "../config.ts";
import { alpineBranch } from "./iso.ts";

/** The disk that Alpine is installed on: its name is the same in VirtualBox (SATA) and in QEMU (virtio-scsi). */
export const DISK = "/dev/sda";

/** The answers file of `setup-alpine`, which reads it as shell variables. All of its questions are answered. */
export function answers(config: PackerConfig): string {
  const { name, version, hostname, mirror, user, rootKey } = config;
  const branch = alpineBranch(version);
  return `# Answers for setup-alpine: the installation of ${name} runs \`setup-alpine -e -f <address of this file>\`.

# Keyboard: layout and variant.
KEYMAPOPTS="${config.keymap}"

# Host name.
HOSTNAMEOPTS="${hostname}"

# Device manager.
DEVDOPTS="mdev"

# Network: the text of /etc/network/interfaces.
INTERFACESOPTS="auto lo
iface lo inet loopback

auto eth0
iface eth0 inet dhcp
    hostname ${hostname}
"

# DNS: search domain and name servers. setup-alpine uses it for interfaces without DHCP.
DNSOPTS="-d ${config.domain} ${config.dns.join(" ")}"

# Time zone.
TIMEZONEOPTS="${config.timezone}"

# Proxy for HTTP and FTP.
PROXYOPTS="${config.proxy ?? "none"}"

# Repositories of packages: those of ${branch}.
APKREPOSOPTS="${mirror}/${branch}/main ${mirror}/${branch}/community"

# User with administrator's rights, and the key that logs in.
USEROPTS="${user ? `-a -u -g audio,input,video,netdev ${user.name}` : "none"}"
${user ? `USERSSHKEY="${user.key}"` : "# USERSSHKEY: there is no user."}

# SSH server, and the key of root.
SSHDOPTS="openssh"
${rootKey === undefined ? "# ROOTSSHKEY: root has no key." : `ROOTSSHKEY="${rootKey}"`}

# Time: the NTP client.
NTPOPTS="${config.ntp}"

# Disk: a whole system on it. ERASE_DISKS answers the question whether it may be erased; setup-disk reads it from its environment.
DISKOPTS="-m sys ${DISK}"
export ERASE_DISKS="${DISK}"

# Local backup (lbu): a system on a disk needs none.
LBUOPTS="none"

# Cache of packages: a system on a disk needs none.
APKCACHEOPTS="none"
`;
}
