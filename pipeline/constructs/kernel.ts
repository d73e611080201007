import { Construct } from "constructs";
import type { KernelSource, RootfsSource } from "../schema/cells.ts";
import { unknownName } from "../schema/error.ts";
import type { Arch } from "../schema/names.ts";
import type { BaseRootfs } from "./base-rootfs.ts";
import type { Flavor } from "./flavor.ts";
import { Release } from "./release.ts";

export interface KernelProps {
  /** Debian's package with the source of Linux, and the version of it that is meant. */
  readonly source: KernelSource;
  /** The Debian in whose container it is compiled, and from whose archive the source comes. */
  readonly buildOn: Flavor;
  /** Names of the flavors whose bases it must boot, up to an SSH login, before it may be staged. */
  readonly boots: readonly string[];
}

/** What the kernel of an arch is configured by: fragments over a configuration in which all is off. */
export const kernelFragments = (arch: Arch): string[] =>
  ["common", arch].map((name) => `dockerfiles/kernel/${name}.config`);

/** The one kernel of each arch that boots every flavor, as ELF and as a boot image, from one build. */
export class Kernel extends Construct {
  readonly source: KernelSource;
  readonly buildOn: Flavor;
  readonly boots: readonly string[];

  constructor(scope: Construct, id: string, props: KernelProps) {
    super(scope, id);
    this.source = props.source;
    this.buildOn = props.buildOn;
    this.boots = props.boots;
    this.node.addValidation({ validate: () => this.#validate() });
    Release.of(this).kernels.push(this);
  }

  /** Where its container's first files come from; a kernel is compiled on machines of any arch. */
  get containerSources(): RootfsSource[] {
    return this.buildOn.sources("amd64").filter((source) => source.from !== "tarball");
  }

  /** The bases that it must boot. */
  get bases(): BaseRootfs[] {
    return Release.of(this).bases.filter((base) => this.boots.includes(base.flavor.name));
  }

  #validate(): string[] {
    const { bases, archs, files } = Release.of(this);
    const flavors = bases.map((base) => base.flavor.name);
    const errors = this.boots
      .filter((flavor) => !flavors.includes(flavor))
      .map((flavor) => `boots: ${unknownName("flavor", flavor, flavors).message}`);
    if (this.boots.length === 0)
      errors.push("boots: name at least one flavor, or nothing proves that it works");
    if (!/^linux-source-[0-9.]+$/.test(this.source.package)) {
      errors.push(`source: "${this.source.package}" is not one of Debian's packages linux-source-<version>`);
    }
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
