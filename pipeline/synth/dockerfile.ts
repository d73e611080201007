import type { BaseRootfs } from "../constructs/base-rootfs.ts";
import type { NpmInstall, UvInstall } from "../constructs/install.ts";
import type { Kernel } from "../constructs/kernel.ts";
import type { Omit } from "../constructs/omit.ts";
import type { PresetLayer } from "../constructs/preset-layer.ts";
import { BOOT_FILES, COPY_BOOT_FILES, COPY_NETWORK } from "../schema/boot-files.ts";
import { programInContext } from "../schema/programs.ts";
import { marker } from "./marker.ts";

/** A Dockerfile and the project files that it copies in. */
export interface Dockerfile {
  readonly path: string;
  readonly text: string;
  readonly files: readonly string[];
}

/** The mirrors and CA of the build's network. The committed file is empty; the runtime fills it. */
export const NETWORK = "dockerfiles/network/env";
/** A shell function that points apt at the dated archive. */
export const SNAPSHOT = "dockerfiles/network/snapshot";

/** The Debian packages that compile a kernel. */
const TOOLCHAIN = [
  ...[
    "bc",
    "bison",
    "flex",
    "gcc",
    "gcc-aarch64-linux-gnu",
    "gcc-x86-64-linux-gnu",
    "libc6-dev",
    "libelf-dev",
  ],
  ...["lz4", "make", "perl", "python3-minimal", "xz-utils"],
];
const KERNEL_RECIPE = ["build", "check-config", "probe.c", "source"].map(
  (name) => `dockerfiles/kernel/${name}`,
);

export function baseDockerfile(base: BaseRootfs): Dockerfile {
  const { flavor } = base;
  const nodeFromTools = base.nodeVersion !== undefined && flavor.libc === "glibc";
  const rootfs = flavor.sources("amd64").find((source) => source.from === "image")?.image;

  const lines = [
    marker("#"),
    ...(nodeFromTools ? ["ARG TOOLS=smolvm-tools"] : []),
    `ARG ROOTFS=${rootfs ?? `smolvm-rootfs-${flavor.name}`}`,
    ...(nodeFromTools ? ["FROM ${TOOLS} AS tools"] : []),
    ...(base.uv ? [`FROM ${base.uv} AS uv`] : []),
    "",
    "FROM ${ROOTFS}",
    COPY_NETWORK,
    ...(flavor.snapshot
      ? [...LEAVE_OUT, ...aptInstall(base.packages, flavor.snapshot)]
      : apkInstall(base.packages)),
    ...(nodeFromTools ? ["COPY --from=tools /opt/node/ /usr/local/"] : []),
    ...(base.uv ? ["COPY --from=uv /uv /uvx /usr/local/bin/"] : []),
    ...base.programs.map(({ path }) => `COPY ${programInContext(path)} ${path}`),
    ...COPY_BOOT_FILES,
  ];
  return {
    path: `dockerfiles/base-${flavor.name}.Dockerfile`,
    text: `${lines.join("\n")}\n`,
    files: [NETWORK, ...(flavor.snapshot ? [SNAPSHOT] : []), ...BOOT_FILES.map(({ from }) => from)],
  };
}

/**
 * One Dockerfile for the kernels of all archs: each is compiled on machines of any arch. What the kernel of an arch is
 * configured by (`kernelFragments`) is copied in as well.
 */
export function kernelDockerfile(kernel: Kernel): Dockerfile {
  const { source } = kernel;
  const { snapshot = "" } = kernel.buildOn;
  const image = kernel.containerSources.find(({ from }) => from === "image");
  const lines = [
    marker("#"),
    `ARG ROOTFS=${image?.from === "image" ? image.image : `smolvm-rootfs-${kernel.buildOn.name}`}`,
    "FROM ${ROOTFS}",
    COPY_NETWORK,
    ...aptInstall(TOOLCHAIN, snapshot),
    "COPY dockerfiles/kernel/source /kernel/",
    ...run([
      ". /tmp/network/snapshot",
      `apt_update ${snapshot}`,
      `sh /kernel/source ${source.package} ${source.version}`,
    ]),
    "COPY dockerfiles/kernel/ /kernel/",
    "ARG ARCH",
    `RUN sh /kernel/build "$ARCH" ${source.package}`,
  ];
  return {
    path: "dockerfiles/kernel.Dockerfile",
    text: `${lines.join("\n")}\n`,
    files: [NETWORK, SNAPSHOT, ...KERNEL_RECIPE],
  };
}

export function presetDockerfile(preset: PresetLayer, base: BaseRootfs): Dockerfile {
  const path = `dockerfiles/${preset.preset}-${base.flavor.name}.Dockerfile`;
  return preset.install.method === "npm"
    ? npmDockerfile(path, preset, base, preset.install)
    : uvDockerfile(path, preset, base, preset.install);
}

function npmDockerfile(path: string, preset: PresetLayer, base: BaseRootfs, install: NpmInstall): Dockerfile {
  const home = preset.directory;
  const program = preset.check[0]!;
  const locks = ["package.json", "package-lock.json"].map((file) => `dockerfiles/${preset.preset}/${file}`);
  const lines = [
    marker("#"),
    "ARG TOOLS=smolvm-tools",
    `ARG BASE=smolvm-base-${base.flavor.name}`,
    "",
    "FROM ${TOOLS} AS install",
    COPY_NETWORK,
    `COPY ${locks.join(" ")} ${home}/`,
    ...run([
      `cd ${home}`,
      `npm ci --omit=dev --ignore-scripts --libc=${base.flavor.libc} --no-audit --no-fund --no-update-notifier`,
      ...preset.omit.map(leaveOut),
    ]),
    "",
    "FROM ${BASE}",
    `COPY --from=install ${home}/ ${home}/`,
    `RUN ln -s ${home}/node_modules/${install.binary ?? `.bin/${program}`} /usr/local/bin/${program}`,
    ...account(preset, base),
  ];
  return { path, text: `${lines.join("\n")}\n`, files: [NETWORK, ...locks] };
}

function uvDockerfile(path: string, preset: PresetLayer, base: BaseRootfs, install: UvInstall): Dockerfile {
  const home = preset.directory;
  const program = preset.check[0]!;
  const extras = install.extras.map((extra) => ` --extra ${extra}`).join("");
  const lines = [
    marker("#"),
    `ARG BASE=smolvm-base-${base.flavor.name}`,
    "",
    "FROM ${BASE}",
    COPY_NETWORK,
    ...run([
      `git init -q ${home}`,
      `cd ${home}`,
      `git fetch -q --depth 1 ${install.repository} ${install.commit}`,
      "git checkout -q FETCH_HEAD",
      "rm -rf .git",
      `UV_PYTHON_DOWNLOADS=never uv sync --frozen --no-dev --no-cache --no-progress${extras}`,
      ...preset.omit.map(leaveOut),
      `ln -s ${home}/.venv/bin/${program} /usr/local/bin/${program}`,
    ]),
    ...account(preset, base),
  ];
  return { path, text: `${lines.join("\n")}\n`, files: [NETWORK] };
}

/** Removes what a preset leaves out. A shell pattern without a match stands for itself, and there is no such file. */
const leaveOut = ({ paths }: Omit) =>
  `for path in ${paths}; do [ -e "$path" ] || ` +
  `{ echo "error: omit: nothing matches $path: correct it in images.ts" >&2; exit 1; }; rm -r "$path"; done`;

/** The configuration by which dpkg leaves files out, also of packages that are installed in a guest. */
export const DPKG_CONFIGURATION = "/etc/dpkg/dpkg.cfg.d/smolvm";
/** What is left out of the packages of a base with apt. A root file system may come without some of it. */
export const APT_OMITS: readonly Omit[] = [
  {
    paths: "/usr/share/locale/*",
    reason: "translations of messages, which Debian's and Ubuntu's container images leave out as well",
  },
  {
    paths: "/usr/lib/*/perl/*/auto/Encode/[CJKT][NPRW]/*",
    reason:
      "Perl's tables (9 MB) for charsets of East Asia other than Unicode; Perl is there for git, which needs none",
  },
];
const LEAVE_OUT = [
  `RUN printf 'path-exclude=%s\\n' ${APT_OMITS.map(({ paths }) => `'${paths}'`).join(" ")} >${DPKG_CONFIGURATION}; \\`,
  `    rm -rf ${APT_OMITS.map(({ paths }) => paths).join(" ")}`,
];

/** Makes the preset's account. Ubuntu's images have an account with this uid, which is removed first. */
function account({ user }: PresetLayer, { flavor }: BaseRootfs): string[] {
  if (user === undefined) return [];
  const [remove, add] =
    flavor.packageManager === "apk"
      ? ["deluser --remove-home", `adduser -D -u 1000 -s /bin/sh ${user}`]
      : ["userdel --remove", `useradd --create-home --user-group --uid 1000 --shell /bin/bash ${user}`];
  return [
    "RUN set -eu; \\",
    "    other=$(sed -n 's/^\\([^:]*\\):[^:]*:1000:.*/\\1/p' /etc/passwd); \\",
    `    [ -z "$other" ] || ${remove} "$other"; \\`,
    `    ${add}; \\`,
    "    mkdir -p /workspace; \\",
    `    chown ${user}:${user} /workspace`,
  ];
}

/** One RUN instruction that sets up the build's network and stops at the first failed command. */
export function run(commands: readonly string[]): string[] {
  const all = ["set -eu", ". /tmp/network/env", ...commands];
  return all.map((command, index) => {
    const start = index === 0 ? "RUN " : "    ";
    return `${start}${command}${index < all.length - 1 ? "; \\" : ""}`;
  });
}

const continued = (packages: readonly string[]) =>
  [...packages].sort().map((name, index, all) => `      ${name}${index < all.length - 1 ? " \\" : ""}`);

export function aptInstall(packages: readonly string[], snapshot: string): string[] {
  return [
    "RUN set -eu; . /tmp/network/env; . /tmp/network/snapshot; export DEBIAN_FRONTEND=noninteractive; \\",
    `    apt_update ${snapshot}; \\`,
    "    apt-get install -y --no-install-recommends \\",
    ...continued(packages).map((line, index, all) => (index === all.length - 1 ? `${line}; \\` : line)),
    "    apt-get clean; \\",
    "    rm -rf /var/lib/apt/lists/*",
  ];
}

export function apkInstall(packages: readonly string[]): string[] {
  return [
    "RUN set -eu; . /tmp/network/env; \\",
    "    apk add --no-cache ${APK_FLAGS:-} \\",
    ...continued(packages),
  ];
}
