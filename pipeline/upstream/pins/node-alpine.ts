import semver from "semver";
import type { BaseRootfs } from "../../constructs/base-rootfs.ts";
import { apkVersion } from "../ask/apk-index.ts";
import type { Newest, Pin, Resolver } from "../pin.ts";
import { replaced } from "../replace.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";

/** The Node.js of a branch of Alpine, which has one version at a time. */
export const nodeAlpine: Resolver = ({ release }) => release.bases.flatMap(pinOf);

function pinOf({ flavor, nodeVersion: pinned }: BaseRootfs): Pin[] {
  if (flavor.packageManager !== "apk" || pinned === undefined) return [];
  const newest = async (upstream: Upstream): Promise<Newest> => {
    const repository = `${upstream.addresses.alpine}/v${flavor.version}/main`;
    const found = await apkVersion(upstream, repository, "nodejs");
    // `24.18.1-r0`: the distribution's own revision follows the version.
    const version = found.replace(/-r\d+$/, "");
    if (semver.valid(version) === null) throw new Unknown(repository, `nodejs has the version ${found}`);
    if (version === pinned) return { version };
    if (semver.lt(version, pinned)) throw new Unknown(repository, `it has nodejs ${version}, which is older`);
    const write: Newest["write"] = (to) => replaced(to, [{ find: `"${pinned}"`, by: `"${version}"` }]);
    return { version, behind: {}, write };
  };
  const supported = { product: "nodejs", release: String(semver.major(pinned)) } as const;
  return [{ kind: "node", name: "node (alpine)", pinned, supported, newest }];
}
