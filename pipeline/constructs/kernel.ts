import { Construct } from "constructs";
import { z } from "zod";
import type { KernelSource, RootfsSource } from "../schema/cells.ts";
import type { Arch } from "../schema/names.ts";
import { unknownName } from "../util/error.ts";
import type { BaseRootfs } from "./base-rootfs.ts";
import { type Flavor, FlavorProp } from "./flavor.ts";
import { listOf, takesProps, text } from "./props.ts";
import { Release } from "./release.ts";

/** What a kernel is compiled from, and what proves it. */
export interface KernelProps {
  /** Debian's package with the Linux source, and its version. */
  readonly source: KernelSource;
  /** The Debian flavor whose container compiles it, and whose archive the source comes from. */
  readonly buildOn: Flavor;
  /** The names of the flavors whose bases it must boot, up to an SSH login, before it can be staged. */
  readonly boots: readonly string[];
}

const Props: z.ZodType<KernelProps> = z.strictObject({
  source: z.strictObject({
    package: z
      .string()
      .regex(/^linux-source-[0-9.]+$/, "is not one of Debian's packages linux-source-<version>"),
    version: z.string().regex(/^[0-9][A-Za-z0-9.+~:-]*$/, "is not a version of a Debian package"),
  }),
  buildOn: FlavorProp,
  boots: listOf(text()).min(1, "names no flavor: give at least one, whose boot proves that the kernel works"),
});

/** The configuration fragments of the kernel of an arch. They are applied to a configuration with every option off. */
export const kernelFragments = (arch: Arch): string[] =>
  ["common", arch].map((name) => `dockerfiles/kernel/${name}.config`);

/**
 * The kernel that boots every flavor: one build per arch, published as ELF and as a boot image.
 * @example
 * ```ts
 * new Kernel(release, "kernel", { source: pins.LINUX_SOURCE, buildOn: debian, boots: ["debian"] });
 * ```
 */
export class Kernel extends Construct {
  /** {@inheritDoc KernelProps.source} */
  readonly source!: KernelSource;
  /** {@inheritDoc KernelProps.buildOn} */
  readonly buildOn!: Flavor;
  /** {@inheritDoc KernelProps.boots} */
  readonly boots!: readonly string[];

  constructor(scope: Construct, id: string, props: KernelProps) {
    super(scope, id);
    const release = Release.of(this);
    this.node.addValidation({ validate: () => this.#validate() });
    if (!takesProps(this, Props, props)) return;
    this.source = props.source;
    this.buildOn = props.buildOn;
    this.boots = props.boots;
    release.kernels.push(this);
  }

  /** The sources of its container's root file system. No tarballs, which are for one arch: a kernel is compiled on hosts of any arch. */
  get containerSources(): RootfsSource[] {
    return this.buildOn.sources("amd64").filter((source) => source.from !== "tarball");
  }

  /** The bases that the kernel of an arch must boot. */
  basesFor(arch: Arch): BaseRootfs[] {
    return Release.of(this).bases.filter(
      (base) => this.boots.includes(base.flavor.name) && base.archs.includes(arch),
    );
  }

  #validate(): string[] {
    const { bases, archs, files } = Release.of(this);
    const flavors = bases.map((base) => base.flavor.name);
    const errors = this.boots
      .filter((flavor) => !flavors.includes(flavor))
      .map((flavor) => `boots: ${unknownName("flavor", flavor, flavors).message}`);
    if (errors.length === 0 && this.boots.length > 0) {
      for (const arch of archs.filter((each) => this.basesFor(each).length === 0)) {
        errors.push(
          `boots: none of ${this.boots.join(", ")} has a base for ${arch}, so nothing proves that the kernel for ${arch} works`,
        );
      }
    }
    if (this.buildOn.errors.length > 0) return errors;
    if (this.containerSources.length === 0) {
      errors.push(
        `buildOn: ${this.buildOn.name} has neither an image nor a suite: give one, a tarball serves one arch only`,
      );
    }
    if (this.buildOn.snapshot === undefined) {
      errors.push(
        `buildOn: ${this.buildOn.name} has no apt, and the source is a Debian package: use Flavor.debian`,
      );
    }
    const missing = archs.flatMap(kernelFragments).filter((path) => files(path) === undefined);
    return [
      ...errors,
      ...new Set(missing.map((path) => `${path} is missing: it is the kernel's configuration`)),
    ];
  }
}
