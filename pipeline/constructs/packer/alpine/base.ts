import type { PackerConfig } from "../config.ts";
import type { Contribution, Contributor, PackerSettings, PackerVariable } from "../contributor.ts";
import { answers, DISK } from "./answers.ts";
import { alpineIso } from "./iso.ts";

/** VirtualBox and the twin in QEMU both run x86_64. */
const ARCH = "x86_64";

/**
 * Alpine, installed by its own `setup-alpine`: the sources `virtualbox-iso` and `qemu`, the answers file, and the scripts that
 * run first and last.
 */
export class AlpineBaseContributor implements Contributor {
  readonly name = "alpine-base";
  readonly order = 10;

  contribute(config: PackerConfig): Contribution {
    const name = `alpine-${config.version}`;
    return {
      variables: variables(config),
      locals: { root_password: 'var.root_password != "" ? var.root_password : uuidv4()' },
      sources: [
        { type: "virtualbox-iso", name, settings: { ...machine(config), ...virtualBox(config) } },
        { type: "qemu", name, settings: { ...machine(config), ...qemu(config) } },
      ],
      http: { answers: answers(config) },
      scripts: [
        { name: "alpine-base.sh", text: base(config) },
        { name: "alpine-close.sh", text: CLOSE, order: 1000 },
      ],
    };
  }
}

const variables = ({
  name,
  mirror,
  headless,
  rootPassword = "",
}: PackerConfig): Record<string, PackerVariable> => ({
  root_password: {
    type: "string",
    default: rootPassword,
    description: "The password of root. One is generated for each build if it is empty.",
    sensitive: true,
  },
  mirror: {
    type: "string",
    default: mirror,
    description: "Where the installation medium is fetched from: the part before the branch.",
  },
  output: {
    type: "string",
    default: `out/images/${name}`,
    description: "The directory that the build writes to.",
  },
  headless: { type: "bool", default: headless, description: "Whether machines run without a window." },
  accelerator: {
    type: "string",
    default: "kvm",
    description: "The accelerator of QEMU: kvm, hvf, or tcg for none.",
  },
});

/** What is the same for each hypervisor. */
function machine({ version, memoryMib, cpus, bootWaitS }: PackerConfig): PackerSettings {
  const iso = alpineIso("${var.mirror}", version, ARCH);
  return {
    iso_url: iso,
    iso_checksum: `file:${iso}.sha256`,
    http_directory: "${path.root}/http",
    // Each machine reaches the host's loopback. Nobody else needs the answers.
    http_bind_address: "127.0.0.1",
    boot_wait: `${bootWaitS}s`,
    boot_command: [
      "root<enter><wait5s>",
      // setup-alpine copies the live system's /etc to the disk, with this password.
      "echo 'root:${local.root_password}' | chpasswd<enter><wait5s>",
      // One line: the shell knows best when a step has ended. The live system's sshd refuses passwords, so Packer gets into
      // the installed one only.
      "setup-alpine -e -f http://{{ .HTTPIP }}:{{ .HTTPPort }}/answers" +
        ` && mount ${DISK}3 /mnt` +
        " && sed -i '1i PermitRootLogin yes' /mnt/etc/ssh/sshd_config" +
        " && umount /mnt && reboot<enter>",
    ],
    ssh_username: "root",
    ssh_password: "${local.root_password}",
    ssh_timeout: "20m",
    // Each attempt at the live system's sshd counts.
    ssh_handshake_attempts: 1000,
    shutdown_command: "poweroff",
    headless: "${var.headless}",
    memory: memoryMib,
    cpus,
  };
}

const virtualBox = ({ name, diskMib }: PackerConfig): PackerSettings => ({
  vm_name: name,
  output_directory: "${var.output}/virtualbox",
  guest_os_type: "Linux26_64",
  guest_additions_mode: "disable",
  hard_drive_interface: "sata",
  disk_size: diskMib,
  vboxmanage: [
    // It reaches the host's loopback, where Packer serves the answers.
    ["modifyvm", "{{ .Name }}", "--nat-localhostreachable1", "on"],
    ["modifyvm", "{{ .Name }}", "--audio", "none"],
  ],
});

const qemu = ({ name, diskMib }: PackerConfig): PackerSettings => ({
  vm_name: `${name}.qcow2`,
  output_directory: "${var.output}/qemu",
  accelerator: "${var.accelerator}",
  format: "qcow2",
  disk_interface: "virtio-scsi",
  net_device: "virtio-net",
  disk_size: `${diskMib}M`,
});

/** The settings that setup-alpine does not make. */
const base = ({ hostname, domain }: PackerConfig): string => `apk upgrade --no-cache

# The host's name with its domain: setup-alpine takes the domain from DHCP only.
sed -i '/^127\\.0\\.0\\.1[[:space:]]/d' /etc/hosts
printf '127.0.0.1\\t%s %s localhost.localdomain localhost\\n' ${hostname}.${domain} ${hostname} >>/etc/hosts
`;

const CLOSE = `# What the build alone needed. sshd reads it when it starts next, so that this session goes on.
sed -i '/^PermitRootLogin yes$/d' /etc/ssh/sshd_config

# What each machine must have of its own: sshd makes host keys when it starts.
rm -f /etc/ssh/ssh_host_*

rm -rf /var/cache/apk/* /root/.ash_history
fstrim / 2>/dev/null || true
sync
`;
