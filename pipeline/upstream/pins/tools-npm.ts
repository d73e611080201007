import semver from "semver";
import { TOOLS_LOCK } from "../../constructs/base-rootfs.ts";
import { lockedVersion } from "../../constructs/lockfile.ts";
import { npmPackage } from "../ask/npm-package.ts";
import type { Newest, Resolver } from "../pin.ts";
import type { Upstream } from "../upstream.ts";
import { behindOf } from "./npm-package.ts";
import { relocked } from "./tools-lock.ts";

/** The npm in the tool container, within its major version. */
export const toolsNpm: Resolver = ({ own }) => {
  const pinned = own(TOOLS_LOCK) === undefined ? undefined : lockedVersion(own, TOOLS_LOCK, "npm");
  if (pinned === undefined) return [];
  const newest = async (upstream: Upstream): Promise<Newest> => {
    const found = await npmPackage(upstream, "npm");
    const version = semver.maxSatisfying([...found.versions], `^${pinned}`) ?? pinned;
    if (!semver.gt(version, pinned)) return { version };
    return { version, behind: behindOf(found, pinned, version), write: relocked(["npm"], pinned, version) };
  };
  return [{ kind: "npm", name: "npm (tools)", pinned, newest }];
};
