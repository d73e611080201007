import type { Kernel } from "../../constructs/kernel.ts";
import { isNewer } from "../ask/debian-version.ts";
import type { Newest, Pin, Resolver } from "../pin.ts";
import { replaced } from "../replace.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";
import { suiteOf } from "./flavors.ts";

/** Debian's package with the kernel's source. Another line of kernels is another package, which a person chooses. */
export const kernelSources: Resolver = ({ release }) => release.kernels.map(pinOf);

function pinOf({ source, buildOn }: Kernel): Pin {
  const { package: name, version: pinned } = source;
  const newest = async (upstream: Upstream): Promise<Newest> => {
    const suite = suiteOf(buildOn);
    if (suite === undefined)
      throw new Unknown(name, `the flavor ${buildOn.name} names no suite of Debian's archive`);
    const versions = (await upstream.archive(suite)).kernelSources.get(name) ?? [];
    const [version] = versions;
    if (version === undefined) throw new Unknown(`Debian's archive (${suite})`, `it has no package ${name}`);
    if (version === pinned) return { version };
    if (await isNewer(pinned, version, upstream.run)) {
      throw new Unknown(`Debian's archive (${suite})`, `it has ${name} ${version}, which is older`);
    }
    const at = versions.indexOf(pinned);
    const write: Newest["write"] = (to) => replaced(to, [{ find: `"${pinned}"`, by: `"${version}"` }]);
    return { version, behind: at < 0 ? {} : { versions: at }, write };
  };
  return { kind: "kernel-source", name, pinned, newest };
}
