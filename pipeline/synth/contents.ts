import type { BaseRootfs } from "../constructs/base-rootfs.ts";
import type { NpmInstall, UvInstall } from "../constructs/install.ts";
import type { PresetLayer } from "../constructs/preset-layer.ts";
import type { Copied, Embedded, Omitted, Unowned } from "../schema/cells.ts";
import type { Arch } from "../schema/names.ts";
import { APT_OMITS, DPKG_CONFIGURATION } from "./dockerfile.ts";

/** The fields of a cell about what its recipe puts in. A field without anything is not there. */
interface Contents {
  copies?: Copied[];
  embeds?: Embedded[];
  writes?: string[];
  unowned?: Unowned[];
  omits?: Omitted[];
}

/** What the recipe of a base puts into it beside packages, for one arch. */
export function contentsOfBase(base: BaseRootfs, arch: Arch): Contents {
  const { nodeVersion, uv, programs, unowned } = base;
  const node = base.flavor.libc === "glibc" ? nodeVersion : undefined;
  const uvVersion = uv === undefined ? undefined : (/:([^@:/]+)@/.exec(uv)?.[1] ?? null);
  const copies: Copied[] = [
    ...(node === undefined
      ? []
      : [
          {
            ...{ path: "/usr/local/bin/node", type: "generic" as const, name: "node", version: node },
            ...{ cpe: "nodejs:node.js", license: "MIT" },
            source: `pkg:npm/node-linux-${arch === "amd64" ? "x64" : "arm64"}@${node}`,
          },
        ]),
    ...(uv === undefined || uvVersion === undefined
      ? []
      : ["/usr/local/bin/uv", "/usr/local/bin/uvx"].map((path) => ({
          ...{ path, type: "pypi" as const, name: "uv", version: uvVersion },
          ...{ license: "Apache-2.0 OR MIT", source: uv },
        }))),
    ...programs.map(({ path, files }) => ({
      ...{ path, type: "generic" as const, name: path.split("/").at(-1)!, version: null },
      source: files[arch]!.url,
    })),
  ];
  const writes = node === undefined ? [] : ["/usr/local/bin/npm", "/usr/local/bin/npx"];
  const fromApt = base.flavor.packageManager === "apt";
  return filled({
    copies,
    embeds: [],
    writes: [...writes, ...(fromApt ? [DPKG_CONFIGURATION] : [])],
    unowned: [...unowned],
    omits: fromApt ? APT_OMITS.map((each) => ({ ...each })) : [],
  });
}

/** What the recipe of a preset puts into it beside packages. */
export function contentsOfPreset({ preset, install, check, unowned, omit }: PresetLayer): Contents {
  const { copies, embeds, writes } =
    install.method === "npm" ? ofNpm(preset, install) : ofUv(preset, install);
  return filled({
    copies,
    embeds,
    writes: [...writes, `/usr/local/bin/${check[0]!}`],
    unowned: [...unowned],
    omits: omit.map((each) => ({ ...each })),
  });
}

interface Installed {
  readonly copies: Copied[];
  readonly embeds: Embedded[];
  readonly writes: string[];
}

function ofNpm(preset: string, { embeds = [] }: NpmInstall): Installed {
  const files = ["package.json", "package-lock.json", "node_modules/.package-lock.json"];
  const inside = (pattern: string) => `/opt/${preset}/node_modules/${pattern}`;
  return {
    copies: [],
    embeds: embeds.map(({ type = "generic", name, files, version, cpe, license }) => ({
      ...{ type, name, files: files.map(inside) },
      version: version ? { from: inside(version.from ?? files[0]!), match: version.match } : null,
      ...(cpe === undefined ? {} : { cpe }),
      ...(license === undefined ? {} : { license }),
    })),
    writes: files.map((file) => `/opt/${preset}/${file}`),
  };
}

/** A checkout of the project's repository, and an environment that uv makes in it. */
function ofUv(preset: string, { repository, commit, directory = `/opt/${preset}` }: UvInstall): Installed {
  const environment = ".venv";
  const github = /^https:\/\/github\.com\/([^/]+\/[^/]+?)(\.git)?$/.exec(repository)?.[1];
  const project: Copied = {
    ...{ path: directory, except: [environment] },
    ...(github === undefined
      ? { type: "generic", name: repository.split("/").at(-1)! }
      : { type: "github", name: github }),
    ...{ version: commit, source: `${repository}#${commit}` },
  };
  const made = [
    ...["pyvenv.cfg", ".gitignore", ".lock", "CACHEDIR.TAG", "lib64"],
    ...["bin/python", "bin/python3", "bin/python3.*", "bin/activate*", "bin/deactivate.bat", "bin/pydoc.bat"],
    ...["lib/python3.*/site-packages/_virtualenv.py", "lib/python3.*/site-packages/_virtualenv.pth"],
  ];
  return { copies: [project], embeds: [], writes: made.map((file) => `${directory}/${environment}/${file}`) };
}

/** The fields that have something. */
const filled = (contents: Required<Contents>): Contents =>
  Object.fromEntries(Object.entries(contents).filter(([, list]) => list.length > 0));
