import { Construct } from "constructs";
import { z } from "zod";
import { Arch, Vmm } from "../schema/names.ts";
import { PipelineError, unknownName } from "../util/error.ts";
import { App } from "./app.ts";
import type { BaseRootfs } from "./base-rootfs.ts";
import type { Initramfs } from "./initramfs/initramfs.ts";
import type { Kernel } from "./kernel.ts";
import type { PresetLayer } from "./preset-layer.ts";
import { listOf, repeated, takesProps, text } from "./props.ts";
import { type RegressionProps, Regressions } from "./regressions.ts";

/** What a release is called, where it is, and what it offers. */
export interface ReleaseProps {
  /** The tag of the GitHub release that has all assets. */
  readonly tag: string;
  /** `owner/name` on GitHub. */
  readonly repository: string;
  /** The archs for which images are made, unless a base or a preset limits them. */
  readonly archs: readonly Arch[];
  /** The VMMs with which images are offered, unless a base or a preset limits them. */
  readonly vmms: readonly Vmm[];
  /** The flavor that users get by default. It must be published. The name of its base's asset does not contain the flavor. */
  readonly defaultFlavor: string;
  /** No file in an image is newer than this instant (ISO 8601, UTC). */
  readonly newestFile: string;
  /**
   * The overrides that a published cell may have, as its facts list them: `apt=live` for packages that do not come from
   * the dated archive. @default none
   */
  readonly accepts?: readonly string[] | undefined;
  /**
   * How much larger or slower than in the last release an asset may be. What is over a limit is refused when the release is
   * published, unless it is accepted here. @default nothing is refused
   */
  readonly regressions?: RegressionProps | undefined;
  /**
   * The file with the sigstore authorities that sign for the repository, by its path in the project, such as
   * `trusted_root.json`. A private repository needs it: `gh attestation trusted-root > trusted_root.json`. An attestation
   * of any other authority is refused when the release is published. @default sigstore's public instance, which signs for
   * public repositories
   */
  readonly trustedRoot?: string | undefined;
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

const Props: z.ZodType<ReleaseProps> = z.strictObject({
  tag: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
      'is not a tag: use letters, digits, ".", "_" and "-"; the first must be a letter or a digit',
    ),
  repository: z.string().regex(/^[\w.-]+\/[\w.-]+$/, "is not owner/name"),
  archs: listOf(Arch).min(1, "names no arch"),
  vmms: listOf(Vmm).min(1, "names no vmm"),
  defaultFlavor: text(),
  newestFile: z.string().refine((instant) => INSTANT.test(instant) && Date.parse(instant) >= 0, {
    error: ({ input }) => `${JSON.stringify(input)} is not an instant like 2026-10-05T00:00:00Z`,
  }),
  accepts: listOf(text()).optional(),
  regressions: Regressions.optional(),
  trustedRoot: z
    .string()
    .regex(/^(?!\/)(?!.*(^|\/)\.\.(\/|$)).+$/, "is not a path in the project: relative, without ..")
    .optional(),
});

/**
 * One release. Its kernel, bases, presets and appliances are the constructs below it.
 * @example
 * ```ts
 * new Release(app, "published", {
 *   tag: "images-v1",
 *   repository: "example/images",
 *   archs: ["amd64", "arm64"],
 *   vmms: ["qemu", "firecracker"],
 *   defaultFlavor: "debian",
 *   newestFile: "2026-10-05T00:00:00Z",
 * });
 * ```
 */
export class Release extends Construct {
  /** {@inheritDoc ReleaseProps.tag} */
  readonly tag!: string;
  /** {@inheritDoc ReleaseProps.repository} */
  readonly repository!: string;
  /** {@inheritDoc ReleaseProps.archs} */
  readonly archs!: readonly Arch[];
  /** {@inheritDoc ReleaseProps.vmms} */
  readonly vmms!: readonly Vmm[];
  /** {@inheritDoc ReleaseProps.defaultFlavor} */
  readonly defaultFlavor!: string;
  /** Seconds since 1970. */
  readonly sourceDateEpoch!: number;
  /** {@inheritDoc ReleaseProps.accepts} */
  readonly accepts!: readonly string[];
  /** {@inheritDoc ReleaseProps.regressions} */
  readonly regressions!: RegressionProps | undefined;
  /** The path of a file in the project; undefined for sigstore's public instance. */
  readonly trustedRoot!: string | undefined;

  /** The constructs below it, in the order of declaration. Each one adds itself. */
  readonly bases: BaseRootfs[] = [];
  /** Its presets, in the order of declaration. */
  readonly presets: PresetLayer[] = [];
  /** Its kernels: one, in a tree that is valid. */
  readonly kernels: Kernel[] = [];
  /** Its appliances, in the order of declaration. */
  readonly appliances: Initramfs[] = [];

  /** The release that `construct` belongs to. @throws PipelineError if it is not below a release */
  static of(construct: Construct): Release {
    const release = construct.node.scopes.find((scope): scope is Release => scope instanceof Release);
    if (!release) {
      throw new PipelineError(`${construct.node.path}: must be declared below a Release`);
    }
    return release;
  }

  constructor(scope: Construct, id: string, props: ReleaseProps) {
    super(scope, id);
    this.node.addValidation({ validate: () => this.#validate() });
    if (!takesProps(this, Props, props)) return;
    this.tag = props.tag;
    this.repository = props.repository;
    this.archs = props.archs;
    this.vmms = props.vmms;
    this.defaultFlavor = props.defaultFlavor;
    this.sourceDateEpoch = Date.parse(props.newestFile) / 1000;
    this.accepts = props.accepts ?? [];
    this.regressions = props.regressions;
    this.trustedRoot = props.trustedRoot;
  }

  /** Reads a file of the project by its path in it; undefined if there is none. */
  get files() {
    return (this.node.root as App).files;
  }

  /** The chosen archs in the order of the release; all of them if `chosen` is undefined. */
  archsAmong(chosen: readonly Arch[] | undefined): Arch[] {
    return this.archs.filter((arch) => chosen?.includes(arch) ?? true);
  }

  /** The chosen VMMs in the order of the release; all of them if `chosen` is undefined. */
  vmmsAmong(chosen: readonly Vmm[] | undefined): Vmm[] {
    return this.vmms.filter((vmm) => chosen?.includes(vmm) ?? true);
  }

  /** An error for each chosen arch or VMM that the release does not have. */
  limitErrors(archs: readonly Arch[] = [], vmms: readonly Vmm[] = []): string[] {
    const outside = (prop: string, chosen: readonly string[], all: readonly string[]) =>
      chosen
        .filter((each) => !all.includes(each))
        .map((each) => `${prop}: ${each} is not one of the release's: ${all.join(", ")}`);
    return [...outside("archs", archs, this.archs), ...outside("vmms", vmms, this.vmms)];
  }

  #validate(): string[] {
    const errors: string[] = [];
    if (!(this.node.root instanceof App)) errors.push("the root of the tree must be an App");
    if (this.trustedRoot !== undefined && this.files(this.trustedRoot) === undefined) {
      errors.push(
        `trustedRoot: there is no file ${this.trustedRoot} (make it with \`gh attestation trusted-root\`)`,
      );
    }
    const flavors = this.bases.map((base) => base.flavor.name);
    const published = this.bases.filter((base) => base.published).map((base) => base.flavor.name);
    if (!flavors.includes(this.defaultFlavor)) {
      errors.push(unknownName("defaultFlavor", this.defaultFlavor, flavors).message);
    } else if (!published.includes(this.defaultFlavor)) {
      errors.push(
        `defaultFlavor: ${this.defaultFlavor} is not published, but users get it by default; ` +
          (published.length > 0 ? `one of: ${published.join(", ")}` : "publish its base"),
      );
    }
    for (const arch of this.archs) {
      if (!this.bases.some((base) => base.archs.includes(arch))) errors.push(`archs: no base is for ${arch}`);
    }
    if (this.kernels.length === 0) errors.push("has no Kernel, which every image needs to boot: declare one");
    if (this.kernels.length > 1) {
      const ids = this.kernels.map(({ node }) => node.id).join(", ");
      errors.push(`has ${this.kernels.length} Kernels (${ids}): declare only one; it is built for each arch`);
    }
    for (const flavor of repeated(flavors)) errors.push(`flavor "${flavor}" has more than one BaseRootfs`);
    const presets = this.presets.map(({ preset }) => preset);
    for (const preset of repeated(presets)) errors.push(`preset "${preset}" is declared more than once`);
    return errors;
  }
}
