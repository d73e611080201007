import {
  AlpineBaseContributor,
  type App,
  BaseRootfs,
  DockerHostContributor,
  Flavor,
  Initramfs,
  Kernel,
  npm,
  PackerBundle,
  PresetLayer,
  Release,
  uv,
  VagrantBoxContributor,
} from "./constructs/index.ts";
import * as embeds from "./embeds.ts";
import * as pins from "./pins.ts";

/** The tag of the release that has all assets. Raise it to publish new images. */
export const IMAGES_RELEASE_TAG = "images-v0.0.15";
/** The first tag that offers more than one flavor. */
const FIRST_TAG = "images-v0.0.15";
const REPOSITORY = "CelestoAI/SmolVM";
/** The instant (UTC) of Ubuntu's and Debian's dated archives that packages come from. It must be newer than the images. */
export const APT_SNAPSHOT = "20261120T000000Z";

/** Declares what is published. `npm run synth` generates workflows, Dockerfiles, cells and the manifest from it. */
export function declareImages(app: App): void {
  const release = new Release(app, "published", {
    tag: IMAGES_RELEASE_TAG,
    repository: REPOSITORY,
    archs: ["amd64", "arm64"],
    vmms: ["firecracker", "qemu", "libkrun"],
    defaultFlavor: "ubuntu",
    newestFile: "2026-10-05T00:00:00Z",
    // Alpine's bases have not been built with --record yet. Until then, nothing fixes the versions that apk resolves.
    accepts: ["apk=unrecorded"],
    // Boot times vary from run to run.
    regressions: { sizePercent: 10, bootPercent: 30 },
  });

  const debian = Flavor.debian({
    version: "13",
    suite: "trixie",
    image: pins.DEBIAN_IMAGE,
    snapshot: APT_SNAPSHOT,
  });

  new Kernel(release, "kernel", {
    source: pins.LINUX_SOURCE,
    buildOn: debian,
    boots: ["debian", "alpine"],
  });

  const alpine = Flavor.alpine({
    version: "3.24",
    image: pins.ALPINE_IMAGE,
    tarballs: pins.ALPINE_TARBALLS,
  });

  // ── bases ──────────────────────────────────────────────────────────────────────────────────────
  const everywhere = ["bash", "ca-certificates", "curl", "git", "iproute2", "openssh-server", "python3"];
  // A DHCP client for smolvm.network=guest: busybox's. It is the smallest, and Alpine's busybox has it.
  const withApt = [...everywhere, "udhcpc"];

  new BaseRootfs(release, "base-ubuntu", {
    flavor: Flavor.ubuntu({
      version: "24.04",
      image: pins.UBUNTU_IMAGE,
      tarballs: pins.UBUNTU_TARBALLS,
      snapshot: APT_SNAPSHOT,
    }),
    packages: withApt,
    node: pins.NODE_GLIBC,
    uv: pins.UV_IMAGE,
    diskMib: 4096,
    budget: { contentMb: 580, assetMb: 160 },
  });

  new BaseRootfs(release, "base-alpine", {
    flavor: alpine,
    packages: [...everywhere, "nodejs", "npm", "openssh-keygen", "uv"],
    node: pins.NODE_ALPINE,
    diskMib: 2048,
    budget: { contentMb: 420, assetMb: 130 },
  });

  new BaseRootfs(release, "base-debian", {
    flavor: debian,
    // openssh-server needs `systemd-sysusers`. This package has it without systemd, which `/init` takes the place of.
    packages: [...withApt, "systemd-standalone-sysusers"],
    node: pins.NODE_GLIBC,
    diskMib: 4096,
    budget: { contentMb: 350, assetMb: 83 },
    published: false,
  });

  // ── presets: each on every base, except on flavors that it refuses ─────────────────────────────
  new PresetLayer(release, "codex", {
    install: npm("@openai/codex", {
      binary: "@openai/codex-linux-*/vendor/*/bin/codex",
      embeds: embeds.CODEX_EMBEDS,
    }),
    omit: [
      {
        paths: "/opt/codex/node_modules/@openai/codex-linux-*/vendor/*/codex-resources/voice",
        reason: "its voice host, with GStreamer and codecs: a microVM has no sound",
      },
    ],
    check: ["codex", "--version"],
    budget: { contentMb: 400, assetMb: 109 },
  });

  new PresetLayer(release, "claude-code", {
    install: npm("@anthropic-ai/claude-code", {
      binary: "@anthropic-ai/claude-code-linux-*/claude",
      embeds: embeds.CLAUDE_CODE_EMBEDS,
    }),
    check: ["claude", "--version"],
    budget: { contentMb: 420, assetMb: 190 },
  });

  new PresetLayer(release, "pi", {
    install: npm("@mariozechner/pi-coding-agent"),
    check: ["pi", "--version"],
    budget: { contentMb: 140, assetMb: 30 },
  });

  new PresetLayer(release, "openclaw", {
    install: npm("openclaw"),
    check: ["openclaw", "--version"],
    user: "node",
    budget: { contentMb: 600, assetMb: 130 },
    refuses: { alpine: { reason: "its native parts ship as glibc prebuilts only", since: FIRST_TAG } },
  });

  new PresetLayer(release, "hermes", {
    install: uv({
      repository: "https://github.com/NousResearch/hermes-agent",
      commit: pins.HERMES_COMMIT,
      extras: ["all"],
      directory: "/opt/hermes-agent",
    }),
    check: ["hermes", "--version"],
    budget: { contentMb: 900, assetMb: 320 },
    refuses: {
      alpine: {
        reason: "many of its Python dependencies are manylinux (glibc) wheels only",
        since: FIRST_TAG,
      },
      debian: "it is installed with uv, which the Debian base does not have",
    },
  });

  // ── appliances: a kernel and an initramfs that runs from memory; built and booted locally ──────
  const services = {
    lo: { exec: "ip link set lo up", oneshot: true },
    dhcp: { exec: "udhcpc -f -i eth0", test: "ip route get 1.1.1.1", after: ["lo"] },
    "sshd-keys": { exec: "ssh-keygen -A", oneshot: true },
    sshd: { exec: "/usr/sbin/sshd -D", after: ["dhcp", "sshd-keys"] },
  };

  new Initramfs(release, "zos", {
    flavor: alpine,
    otherVersions: [Flavor.alpine({ version: "3.23", image: pins.ALPINE_3_23_IMAGE })],
    kernel: { flavor: alpine },
    modules: "standard",
    packages: {
      "btrfs-progs": "makes and checks the file system of its disks",
      "ca-certificates": "the CAs of HTTPS",
      curl: "fetches over HTTP",
      e2fsprogs: "makes and checks ext4",
      eudev: "finds devices and loads their drivers",
      iproute2: "sets up the network",
      kmod: "loads modules",
      nftables: "the firewall",
      openssh: "SSH",
    },
    services,
    programs: [pins.ZINIT, pins.CORE_X, pins.RFS],
    // Core-X and rfs are released for amd64 only.
    archs: ["amd64"],
    budget: { contentMb: 250, assetMb: 90 },
  });

  new Initramfs(release, "zos-debian", {
    flavor: debian,
    kernel: { flavor: debian },
    packages: {
      "btrfs-progs": "makes and checks the file system of its disks",
      "ca-certificates": "the CAs of HTTPS",
      iproute2: "sets up the network",
      kmod: "loads modules",
      "openssh-server": "SSH",
      udev: "finds devices and loads their drivers",
      udhcpc: "the DHCP client",
    },
    services: { ...services, sshd: { ...services.sshd, exec: "/usr/sbin/sshd -D -o UsePAM=no" } },
    programs: [pins.ZINIT],
    budget: { contentMb: 400, assetMb: 100 },
  });

  // ── boxes: made by `packer build`, and no part of the release ──────────────────────────────────
  new PackerBundle(app, "alpine-box", {
    version: pins.ALPINE_BOX,
    contributors: [
      new AlpineBaseContributor(),
      new DockerHostContributor({ users: ["vagrant"] }),
      new VagrantBoxContributor(),
    ],
  });
}
