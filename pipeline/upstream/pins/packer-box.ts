import semver from "semver";
import { PackerBundle } from "../../constructs/packer/bundle.ts";
import { alpineFiles } from "../ask/alpine-list.ts";
import type { Newest, Pin, Resolver } from "../pin.ts";
import { replaced } from "../replace.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";

/** The installation medium, as `alpineIso` names it. */
const MEDIUM = /^alpine-virt-(\d+\.\d+\.\d+)-x86_64\.iso$/;

/** The distributions that boxes are made from. The version alone decides the medium and the repositories. */
export const packerBoxes: Resolver = ({ release }) =>
  release.node.root.node
    .findAll()
    .flatMap((construct) => (construct instanceof PackerBundle ? [pinOf(construct)] : []));

function pinOf({ node, version: declared, config: { version: pinned } }: PackerBundle): Pin {
  const newest = async (upstream: Upstream): Promise<Newest> => {
    const directory = `${upstream.addresses.alpine}/latest-stable/releases/x86_64`;
    const version = (await alpineFiles(upstream, directory)).flatMap(
      (file) => MEDIUM.exec(file)?.[1] ?? [],
    )[0];
    if (version === undefined) throw new Unknown(directory, "its list has no alpine-virt medium");
    if (version === pinned) return { version };
    if (semver.lt(version, pinned)) throw new Unknown(directory, `it has Alpine ${version}, which is older`);
    const write: Newest["write"] = (to) => replaced(to, [{ find: `"${declared}"`, by: `"${version}"` }]);
    const [now, then] = [semver.parse(version)!, semver.parse(pinned)!];
    const sameBranch = now.major === then.major && now.minor === then.minor;
    return { version, behind: sameBranch ? { versions: now.patch - then.patch } : {}, write };
  };
  const release = pinned.replace(/\.\d+$/, "");
  return { kind: "packer", name: node.id, pinned, supported: { product: "alpine-linux", release }, newest };
}
