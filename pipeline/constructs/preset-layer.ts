import { Construct } from "constructs";
import { satisfies } from "semver";
import { PipelineError, unknownName } from "../schema/error.ts";
import { checkName } from "../schema/names.ts";
import type { BaseRootfs, Budget } from "./base-rootfs.ts";
import type { Install } from "./install.ts";
import { lockedVersion, lockfileErrors, lockfileOf, nodeRange } from "./lockfile.ts";
import { Release } from "./release.ts";

export interface PresetLayerProps {
  readonly install: Install;
  /** The command that proves the preset works; its first word is the program that users type. */
  readonly check: readonly string[];
  /** How much it may add to the budget of each base. @default as much as it likes */
  readonly budget?: Budget;
  /** Flavors on which it is not offered, each with what users are told. @default none */
  readonly refuses?: Readonly<Record<string, Refusal>>;
}

/** Why a preset is not offered on a flavor, and since which tag. */
type Refusal = string | { readonly reason: string; readonly since: string };

/** An agent on top of every base of the release, except those it refuses. Its id is the preset's name. */
export class PresetLayer extends Construct {
  readonly preset: string;
  readonly install: Install;
  readonly check: readonly string[];
  readonly budget: Budget | undefined;
  readonly refuses: Readonly<Record<string, string>>;

  constructor(scope: Construct, id: string, props: PresetLayerProps) {
    super(scope, id);
    const program = props.check[0];
    if (program === undefined || !/^[a-z][a-z0-9-]*$/.test(program)) {
      throw new PipelineError(`${this.node.path}: check must begin with the name of the preset's program`);
    }
    this.preset = checkName("preset", id);
    this.install = props.install;
    this.check = props.check;
    this.budget = props.budget;
    this.refuses = Object.fromEntries(
      Object.entries(props.refuses ?? {}).map(([flavor, why]) => [
        flavor,
        typeof why === "string" ? why : `${why.reason} (since ${why.since})`,
      ]),
    );
    this.node.addValidation({ validate: () => this.#validate() });
    Release.of(this).presets.push(this);
  }

  /** The bases it is layered on. */
  get bases(): BaseRootfs[] {
    return Release.of(this).bases.filter((base) => !Object.hasOwn(this.refuses, base.flavor.name));
  }

  /** The version that its check must print: the locked one; undefined where no lockfile states it. */
  get lockedVersion(): string | undefined {
    return this.install.method === "npm"
      ? lockedVersion(Release.of(this).files, lockfileOf(this.preset), this.install.package)
      : undefined;
  }

  #validate(): string[] {
    const flavors = Release.of(this).bases.map((base) => base.flavor.name);
    const errors = Object.keys(this.refuses)
      .filter((flavor) => !flavors.includes(flavor))
      .map((flavor) => `refuses: ${unknownName("flavor", flavor, flavors).message}`);
    for (const [flavor, reason] of Object.entries(this.refuses)) {
      if (reason === "") errors.push(`refuses: "${flavor}" without a reason, which users are told`);
    }
    if (this.bases.length === 0) errors.push("is refused on every flavor");
    return [...errors, ...(this.install.method === "npm" ? this.#validateNpm() : this.#validateUv())];
  }

  #validateNpm(): string[] {
    if (this.install.method !== "npm") return [];
    const { files } = Release.of(this);
    const name = this.install.package;
    const path = lockfileOf(this.preset);
    const errors = lockfileErrors(files, path, name);
    if (errors.length > 0) return errors;

    const startsAlone = this.install.binary !== undefined;
    const range = nodeRange(files, path, name);
    const version = lockedVersion(files, path, name);
    return this.bases
      .filter((base) => (base.nodeVersion ? !satisfies(base.nodeVersion, range) : !startsAlone))
      .map(
        (base) =>
          `${name} ${version} wants Node ${range}, but ${base.node.path} has ` +
          `${base.nodeVersion ? `Node ${base.nodeVersion}` : "no Node"}: give that base another, or refuse ` +
          `the flavor "${base.flavor.name}"`,
      );
  }

  #validateUv(): string[] {
    return this.bases
      .filter((base) => !base.uv)
      .map(
        (base) =>
          `is installed with uv, which ${base.node.path} does not have: add uv to it, or refuse the flavor "${base.flavor.name}"`,
      );
  }
}
