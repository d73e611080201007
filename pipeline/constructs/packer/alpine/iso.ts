/** The installation medium of Alpine for virtual machines. @param version with three parts: `3.24.2` @param arch as Alpine names it */
export function alpineIso(mirror: string, version: string, arch: string): string {
  return `${mirror}/${alpineBranch(version)}/releases/${arch}/alpine-virt-${version}-${arch}.iso`;
}

/** The directory of a version's branch on a mirror: `v3.24` for 3.24.2. */
export const alpineBranch = (version: string): string => `v${version.split(".").slice(0, 2).join(".")}`;
