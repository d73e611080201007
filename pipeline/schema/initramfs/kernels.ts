import type { Arch } from "../names.ts";

/** The kernels of a distribution. */
interface Kernels {
  /** Its packages for `lts` and `edge`. An exact version is one of the package of `lts`. */
  readonly lts: (arch: Arch) => string;
  readonly edge: (arch: Arch) => string;
  /** What an exact version looks like, and an example. */
  readonly exact: RegExp;
  readonly example: string;
}

/** The distributions whose packages have a kernel for an appliance. */
const KERNELS: Readonly<Record<string, Kernels>> = {
  // linux-stable was linux-edge before Alpine 3.23.
  alpine: {
    lts: () => "linux-lts",
    edge: () => "linux-stable",
    exact: /^\d+(\.\d+)+-r\d+$/,
    example: "6.18.30-r0",
  },
  // `edge` is the same package, from the suite of backports.
  debian: {
    lts: (arch) => `linux-image-cloud-${arch}`,
    edge: (arch) => `linux-image-cloud-${arch}`,
    exact: /^\d+(\.\d+)+(~rc\d+)?-\d+(~bpo\d+\+\d+)?$/,
    example: "6.12.117-1",
  },
};

/** The flavors that have a kernel for an appliance. */
export const KERNEL_FLAVORS = Object.keys(KERNELS);

/** Why a version is none of a distribution's kernel; undefined if it is one. */
export function kernelVersionError(flavor: string, version: string): string | undefined {
  const { exact, example } = KERNELS[flavor]!;
  if (version === "lts" || version === "edge" || exact.test(version)) return undefined;
  return `"${version}" is not lts, edge, or a version of ${flavor}'s package such as ${example}`;
}

/** The package with the kernel of a version. */
export function kernelPackage(flavor: string, arch: Arch, version: string): string {
  const kernels = KERNELS[flavor]!;
  return version === "edge" ? kernels.edge(arch) : kernels.lts(arch);
}
