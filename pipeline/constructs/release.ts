import { Construct } from "constructs";
import { PipelineError, unknownName } from "../schema/error.ts";
import type { Arch, Vmm } from "../schema/names.ts";
import { App } from "./app.ts";
import type { BaseRootfs } from "./base-rootfs.ts";
import type { Kernel } from "./kernel.ts";
import type { PresetLayer } from "./preset-layer.ts";

export interface ReleaseProps {
  /** The tag of the GitHub release that carries all assets. */
  readonly tag: string;
  /** `owner/name` on GitHub. */
  readonly repository: string;
  readonly archs: readonly Arch[];
  readonly vmms: readonly Vmm[];
  /** The flavor whose base needs no flavor in its name, and that users get unless they ask. */
  readonly defaultFlavor: string;
  /** No file in an image is newer than this instant (ISO 8601, UTC). */
  readonly newestFile: string;
  /**
   * What of a published cell may be other than declared, as its facts name it under `overrides`: `apt=live` where
   * no dated archive can be reached. @default nothing
   */
  readonly accepts?: readonly string[];
}

/** One release: its kernels, bases and presets are the constructs below it. */
export class Release extends Construct {
  readonly tag: string;
  readonly repository: string;
  readonly archs: readonly Arch[];
  readonly vmms: readonly Vmm[];
  readonly defaultFlavor: string;
  /** Seconds since 1970. */
  readonly sourceDateEpoch: number;
  readonly accepts: readonly string[];

  /** What is declared below it, in order; each construct adds itself. */
  readonly bases: BaseRootfs[] = [];
  readonly presets: PresetLayer[] = [];
  readonly kernels: Kernel[] = [];

  /** The release that `construct` belongs to. @throws PipelineError outside of one */
  static of(construct: Construct): Release {
    const release = construct.node.scopes.find((scope): scope is Release => scope instanceof Release);
    if (!release) {
      throw new PipelineError(`${construct.node.path}: must be declared below a Release`);
    }
    return release;
  }

  constructor(scope: Construct, id: string, props: ReleaseProps) {
    super(scope, id);
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(props.tag)) {
      throw new PipelineError(
        `${this.node.path}: tag "${props.tag}" may hold letters, digits, ".", "_" and "-"`,
      );
    }
    if (!/^[\w.-]+\/[\w.-]+$/.test(props.repository)) {
      throw new PipelineError(`${this.node.path}: repository "${props.repository}" is not owner/name`);
    }
    const epoch = Date.parse(props.newestFile) / 1000;
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(props.newestFile) || !(epoch >= 0)) {
      throw new PipelineError(
        `${this.node.path}: newestFile "${props.newestFile}" is not an instant like 2026-10-05T00:00:00Z`,
      );
    }
    this.tag = props.tag;
    this.repository = props.repository;
    this.archs = props.archs;
    this.vmms = props.vmms;
    this.defaultFlavor = props.defaultFlavor;
    this.sourceDateEpoch = epoch;
    this.accepts = props.accepts ?? [];

    this.node.addValidation({ validate: () => this.#validate() });
  }

  get files() {
    return (this.node.root as App).files;
  }

  #validate(): string[] {
    const errors: string[] = [];
    if (!(this.node.root instanceof App)) errors.push("the root of the tree must be an App");
    if (this.archs.length === 0) errors.push("archs: at least one is needed");
    if (this.vmms.length === 0) errors.push("vmms: at least one is needed");
    const flavors = this.bases.map((base) => base.flavor.name);
    if (!flavors.includes(this.defaultFlavor)) {
      errors.push(unknownName("defaultFlavor", this.defaultFlavor, flavors).message);
    }
    const twice = flavors.filter((flavor, index) => flavors.indexOf(flavor) !== index);
    for (const flavor of twice) errors.push(`flavor "${flavor}" has more than one BaseRootfs`);
    return errors;
  }
}
