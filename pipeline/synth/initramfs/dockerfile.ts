import type { Initramfs } from "../../constructs/initramfs/initramfs.ts";
import { COPY_NETWORK } from "../../schema/boot-files.ts";
import { INITRAMFS_FILES, PACKING_FILES } from "../../schema/initramfs/files.ts";
import { programInContext } from "../../schema/programs.ts";
import { apkInstall, aptInstall, type Dockerfile, NETWORK, run, SNAPSHOT } from "../dockerfile.ts";
import { marker } from "../marker.ts";
import { directoryOf, type GeneratedFile, moduleLists, packageList, serviceFiles } from "./lists.ts";

/** The scripts of the build stage. */
const SCRIPTS = ["kernel", "modules"].map((name) => `dockerfiles/initramfs/${name}.sh`);

/** What the build stage needs: depmod and modprobe, what unpacks modules, and strip. */
const TOOLS = {
  apt: ["binutils", "kmod", "xz-utils", "zstd"],
  apk: ["binutils", "kmod", "xz", "zstd"],
} as const;

/** The directory of zinit's service files in the image. */
export const SERVICES = "/etc/zinit";

/** The recipe of an appliance: its Dockerfile, and what that copies in. */
export interface ApplianceRecipe {
  readonly dockerfile: Dockerfile;
  /** Those of `dockerfile.files` that are generated, with their texts. */
  readonly generated: readonly GeneratedFile[];
}

/**
 * The Dockerfile of an appliance, for all of its archs. The kernel is unpacked and its modules are chosen in a stage of its
 * own, in the kernel's distribution; only the result is in the image.
 */
export function initramfsDockerfile(appliance: Initramfs): ApplianceRecipe {
  const { flavor, kernel, programs, rootMib, start, mode, modules } = appliance;
  const packages = packageList(appliance);
  const services = serviceFiles(appliance);
  const lists = moduleLists(appliance);
  const files = INITRAMFS_FILES.map((file, index) => ({
    ...file,
    from: index === 0 ? appliance.init : file.from,
  }));
  const debugFiles = files.filter(({ debug }) => debug).map(({ to }) => to);
  const rootfs = (of: typeof flavor) =>
    of.sources("amd64").find((source) => source.from === "image")?.image ?? `smolvm-rootfs-${of.name}`;

  const lines = [
    marker("#"),
    `ARG ROOTFS=${rootfs(flavor)}`,
    `ARG KERNEL_ROOTFS=${rootfs(kernel.flavor)}`,
    "",
    "FROM ${KERNEL_ROOTFS} AS kernel",
    COPY_NETWORK,
    ...(kernel.flavor.snapshot ? aptInstall(TOOLS.apt, kernel.flavor.snapshot) : apkInstall(TOOLS.apk)),
    `COPY ${SCRIPTS.join(" ")} /build/`,
    "ARG KERNEL_PACKAGE",
    `ARG KERNEL_VERSION=${kernel.version}`,
    ...run([...updated(kernel.flavor.snapshot), 'sh /build/kernel.sh "$KERNEL_PACKAGE" "$KERNEL_VERSION"']),
    `COPY ${directoryOf(appliance)}/modules/ /build/modules/`,
    `ARG MODULE_SET=${modules}`,
    'RUN sh /build/modules.sh "$KERNEL_PACKAGE" "/build/modules/$MODULE_SET"',
    `ARG BUILDMODE=${mode}`,
    ...programs.map(({ path }) => `COPY ${programInContext(path)} /programs${path}`),
    ...(programs.length > 0
      ? [
          // A script has nothing to strip.
          "RUN set -eu; \\",
          `    for program in ${programs.map(({ path }) => `/programs${path}`).join(" ")}; do \\`,
          '      [ "$BUILDMODE" = debug ] || [ "$(head -c 4 "$program" | tail -c 3)" != ELF ] || strip --strip-all "$program"; \\',
          "    done",
        ]
      : []),
    "",
    "FROM ${ROOTFS}",
    COPY_NETWORK,
    `COPY ${packages.path} /tmp/packages`,
    ...install(flavor.snapshot),
    // One by one: a directory such as /lib may be a link in the userland.
    "COPY --from=kernel /out/boot/ /boot/",
    "COPY --from=kernel /out/etc/initramfs/ /etc/initramfs/",
    "COPY --from=kernel /out/lib/modules/ /lib/modules/",
    ...programs.map(({ path }) => `COPY --from=kernel /programs${path} ${path}`),
    ...(services.length > 0 ? [`COPY ${directoryOf(appliance)}/services/ ${SERVICES}/`] : []),
    ...files.map(({ from, to }) => `COPY ${from} ${to}`),
    `ARG BUILDMODE=${mode}`,
    "RUN set -eu; \\",
    `    chmod 0755 ${files.map(({ to }) => to).join(" ")}; \\`,
    `    [ "$BUILDMODE" = debug ] || rm ${debugFiles.join(" ")}; \\`,
    `    printf 'MODE=%s\\nROOT_MIB=%d\\nINIT="%s"\\n' "$BUILDMODE" ${rootMib} "${start.join(" ")}" >/etc/initramfs/config; \\`,
    `    mkdir -p /mnt/root ${SERVICES}`,
  ];
  const generated = [packages, ...lists, ...services];
  const apt = flavor.snapshot !== undefined || kernel.flavor.snapshot !== undefined;
  return {
    dockerfile: {
      path: `${directoryOf(appliance)}/Dockerfile`,
      text: `${lines.join("\n")}\n`,
      files: [
        ...[NETWORK, ...(apt ? [SNAPSHOT] : []), ...SCRIPTS],
        // The recipe does not copy these, but the assets are made with them.
        ...PACKING_FILES,
        ...files.map(({ from }) => from),
        ...generated.map(({ path }) => path),
      ],
    },
    generated,
  };
}

const updated = (snapshot: string | undefined) =>
  snapshot === undefined ? [] : [". /tmp/network/snapshot", `apt_update ${snapshot}`];

/** Installs the packages of the list. */
function install(snapshot: string | undefined): string[] {
  const packages = "$(grep -v '^#' /tmp/packages)";
  return snapshot === undefined
    ? run([`apk add --no-cache \${APK_FLAGS:-} ${packages}`])
    : run([
        ...updated(snapshot),
        "export DEBIAN_FRONTEND=noninteractive",
        `apt-get install -y --no-install-recommends ${packages}`,
        "apt-get clean",
        "rm -rf /var/lib/apt/lists/*",
      ]);
}
