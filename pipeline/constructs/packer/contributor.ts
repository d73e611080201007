import type { PackerConfig } from "./config.ts";

/** A variable of the template, which `packer build -var NAME=VALUE` sets. */
export interface PackerVariable {
  /** Its type in HCL. */
  readonly type: "string" | "number" | "bool";
  /** Its value, unless `-var` gives another. */
  readonly default: string | number | boolean;
  /** What it is for: `packer inspect` shows it. */
  readonly description: string;
  /** Whether Packer hides its value. @default false */
  readonly sensitive?: boolean;
}

/** A machine that Packer starts and makes a box of. */
export interface PackerSource {
  /** Packer's builder: `qemu`. */
  readonly type: string;
  /** The name that builds have, which may contain dots: `alpine-3.24.2`. */
  readonly name: string;
  /** The builder's settings. A string is a template of HCL: `${var.output}`, with `{{ .HTTPIP }}` for Packer's own. */
  readonly settings: PackerSettings;
}

/** What is done with the finished machine. */
export interface PackerPostProcessor {
  /** Packer's post-processor: `vagrant`. */
  readonly type: string;
  /** The post-processor's settings, as those of a source. */
  readonly settings: PackerSettings;
}

/** A POSIX shell script that runs in the machine as root. */
export interface ProvisioningScript {
  /** Its file name: `docker-host.sh`. */
  readonly name: string;
  /** Its text, without `#!`, the mark of a generated file and `set -eu`: synth adds these. */
  readonly text: string;
  /** @default that of the contributor */
  readonly order?: number;
}

/** Settings of a part of Packer, as its documentation names them. */
export type PackerSettings = Readonly<Record<string, unknown>>;

/** What a contributor adds to a bundle. Names are unique in the bundle. */
export interface Contribution {
  /** Variables of the template, by name. */
  readonly variables?: Readonly<Record<string, PackerVariable>>;
  /** Values that the template computes, as HCL expressions by name. PackerSettings use them as `${local.NAME}`. */
  readonly locals?: Readonly<Record<string, string>>;
  /** The machines that it makes. A bundle needs one. */
  readonly sources?: readonly PackerSource[];
  /** Texts that Packer serves to the machine, by file name. Synth puts its mark before each, as a line that starts with `#`. */
  readonly http?: Readonly<Record<string, string>>;
  /** The scripts that run in the machine. */
  readonly scripts?: readonly ProvisioningScript[];
  /** What is done with the finished machine, in this order. */
  readonly postProcessors?: readonly PackerPostProcessor[];
}

/** One concern of a box, such as its distribution or a container engine. */
export interface Contributor {
  /** Unique in the bundle; errors name it. */
  readonly name: string;
  /** Contributors are asked in this order, and those of the same order as they are listed. */
  readonly order: number;
  /** What is wrong with its own props. @default nothing */
  readonly errors?: readonly string[];
  /** A pure function: the same config gives the same contribution. */
  contribute(config: PackerConfig): Contribution;
}
