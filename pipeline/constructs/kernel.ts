import { Construct } from "constructs";
import { z } from "zod";
import type { KernelSource, RootfsSource } from "../schema/cells.ts";
import type { Arch } from "../schema/names.ts";
import { unknownName } from "../util/error.ts";
import type { BaseRootfs } from "./base-rootfs.ts";
import { type Flavor, FlavorProp } from "./flavor.ts";
import { listOf, takesProps, text } from "./props.ts";
import { Release } from "./release.ts";

export interface KernelProps {
  /** Debian's package with the source of Linux, and the version of it that is meant. */
  readonly source: KernelSource;
  /** The Debian in whose container it is compiled, and from whose archive the source comes. */
  readonly buildOn: Flavor;
  /** Names of the flavors whose bases it must boot, up to an SSH login, before it may be staged. */
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
  boots: listOf(text()).min(1, "names no flavor: at least one, or nothing proves that it works"),
});

/** What the kernel of an arch is configured by: fragments over a configuration in which all is off. */
export const kernelFragments = (arch: Arch): string[] =>
  ["common", arch].map((name) => `dockerfiles/kernel/${name}.config`);

/** The one kernel of each arch that boots every flavor, as ELF and as a boot image, from one build. */
export class Kernel extends Construct {
  readonly source!: KernelSource;
  readonly buildOn!: Flavor;
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

  /** Where its container's first files come from; a kernel is compiled on machines of any arch. */
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
          `boots: no base of ${this.boots.join(", ")} is for ${arch}: nothing proves that its kernel works`,
        );
      }
    }
    if (this.buildOn.errors.length > 0) return errors;
    if (this.containerSources.length === 0) {
      errors.push(
        `buildOn: ${this.buildOn.name} has neither a suite nor an image, which serve on every arch`,
      );
    }
    if (this.buildOn.snapshot === undefined) {
      errors.push(`buildOn: ${this.buildOn.name} has no apt, and the source is a package of Debian's`);
    }
    const missing = archs.flatMap(kernelFragments).filter((path) => files(path) === undefined);
    return [
      ...errors,
      ...new Set(missing.map((path) => `${path} is missing: it is the kernel's configuration`)),
    ];
  }
}
