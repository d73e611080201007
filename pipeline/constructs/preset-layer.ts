import { Construct } from "constructs";
import { satisfies } from "semver";
import { z } from "zod";
import { Arch, nameError, Vmm } from "../schema/names.ts";
import { unknownName } from "../util/error.ts";
import { type BaseRootfs, type Budget, BudgetProp } from "./base-rootfs.ts";
import { type Install, InstallProps } from "./install.ts";
import { lockedVersion, lockfileErrors, lockfileOf, nodeRange } from "./lockfile.ts";
import { type Omit, OmitProp } from "./omit.ts";
import { listOf, takesProps, text } from "./props.ts";
import { Release } from "./release.ts";
import { type Unowned, UnownedProp } from "./unowned.ts";

/** What a preset installs, how it is checked, and where it is not offered. */
export interface PresetLayerProps {
  /** How the agent is installed. */
  readonly install: Install;
  /** The command that proves the preset works; its first word is the program that users type. */
  readonly check: readonly string[];
  /**
   * The name of an account (uid 1000) that its services can run as. The account has a home directory and owns `/workspace`;
   * the preset's command is still run as root. It replaces an account of the distribution with this uid.
   * @default none
   */
  readonly user?: string | undefined;
  /** Files that no package owns and that neither the recipe nor a known script makes. The audit refuses others. @default none */
  readonly unowned?: readonly Unowned[] | undefined;
  /** Files that it installs and that its images leave out. A build fails if a pattern matches nothing. @default none */
  readonly omit?: readonly Omit[] | undefined;
  /** How much it may add to the size of each base. @default no limit */
  readonly budget?: Budget | undefined;
  /** The flavors on which it is not offered, each with the reason that users see. @default none */
  readonly refuses?: Readonly<Record<string, Refusal>> | undefined;
  /** The archs for which it is offered, if its base is made for them. @default all of the release */
  readonly archs?: readonly Arch[] | undefined;
  /** The VMMs with which it is offered, if its base is offered with them. @default all of the release */
  readonly vmms?: readonly Vmm[] | undefined;
}

/** Why a preset is not offered on a flavor, and since which tag. */
type Refusal = string | { readonly reason: string; readonly since: string };

const Props: z.ZodType<PresetLayerProps> = z.strictObject({
  install: InstallProps,
  check: z.array(text()).refine(([program = ""]) => /^[a-z][a-z0-9-]*$/.test(program), {
    error: "the first word must be the name of the preset's program, such as codex",
  }),
  user: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}$/, "is not a user name such as node")
    .optional(),
  unowned: UnownedProp.optional(),
  omit: OmitProp.optional(),
  budget: BudgetProp.optional(),
  refuses: z
    .record(
      z.string(),
      z.union([text(), z.strictObject({ reason: text(), since: text() })], {
        error: "is neither a reason (text) nor { reason, since }",
      }),
    )
    .optional(),
  archs: listOf(Arch).min(1, "names no arch").optional(),
  vmms: listOf(Vmm).min(1, "names no vmm").optional(),
});

/**
 * An agent that is installed on every base of the release, except on flavors that it refuses. Its id is the preset's name.
 * @example
 * ```ts
 * new PresetLayer(release, "codex", {
 *   install: npm("@openai/codex"),
 *   check: ["codex", "--version"],
 *   budget: { contentMb: 460, assetMb: 125 },
 *   refuses: { alpine: "it has been tested with glibc only" },
 * });
 * ```
 */
export class PresetLayer extends Construct {
  /** Its name: the id of the construct. */
  readonly preset: string;
  #archs: readonly Arch[] | undefined;
  #vmms: readonly Vmm[] | undefined;
  /** {@inheritDoc PresetLayerProps.install} */
  readonly install!: Install;
  /** {@inheritDoc PresetLayerProps.check} */
  readonly check!: readonly string[];
  /** {@inheritDoc PresetLayerProps.user} */
  readonly user!: string | undefined;
  /** {@inheritDoc PresetLayerProps.unowned} */
  readonly unowned!: readonly Unowned[];
  /** {@inheritDoc PresetLayerProps.omit} */
  readonly omit!: readonly Omit[];
  /** {@inheritDoc PresetLayerProps.budget} */
  readonly budget!: Budget | undefined;
  /** {@inheritDoc PresetLayerProps.refuses} */
  readonly refuses!: Readonly<Record<string, string>>;

  constructor(scope: Construct, id: string, props: PresetLayerProps) {
    super(scope, id);
    const release = Release.of(this);
    this.preset = id;
    this.node.addValidation({ validate: () => this.#validate() });
    if (!takesProps(this, Props, props)) return;
    this.install = props.install;
    this.check = props.check;
    this.user = props.user;
    this.unowned = props.unowned ?? [];
    this.omit = props.omit ?? [];
    this.budget = props.budget;
    this.refuses = Object.fromEntries(
      Object.entries(props.refuses ?? {}).map(([flavor, why]) => [
        flavor,
        typeof why === "string" ? why : `${why.reason} (since ${why.since})`,
      ]),
    );
    this.#archs = props.archs;
    this.#vmms = props.vmms;
    release.presets.push(this);
  }

  /** The bases that it is installed on, each for at least one arch. */
  get bases(): BaseRootfs[] {
    return this.#accepted.filter((base) => this.archsOn(base).length > 0);
  }

  get #accepted(): BaseRootfs[] {
    return Release.of(this).bases.filter((base) => !Object.hasOwn(this.refuses, base.flavor.name));
  }

  /** The archs for which it is offered on a base. */
  archsOn(base: BaseRootfs): Arch[] {
    return base.archs.filter((arch) => this.#archs?.includes(arch) ?? true);
  }

  /** The VMMs with which it is offered on a base. */
  vmmsOn(base: BaseRootfs): Vmm[] {
    return base.vmms.filter((vmm) => this.#vmms?.includes(vmm) ?? true);
  }

  /** The directory in the image that it is installed in. */
  get directory(): string {
    const own = this.install.method === "uv" ? this.install.directory : undefined;
    return own ?? `/opt/${this.preset}`;
  }

  /** The version that its check must print: the locked version; undefined if there is no lockfile. */
  get lockedVersion(): string | undefined {
    return this.install.method === "npm"
      ? lockedVersion(Release.of(this).files, lockfileOf(this.preset), this.install.package)
      : undefined;
  }

  #validate(): string[] {
    const release = Release.of(this);
    const flavors = release.bases.map((base) => base.flavor.name);
    const named = nameError("preset", this.preset);
    const errors = [
      ...(named === undefined ? [] : [named]),
      ...Object.keys(this.refuses)
        .filter((flavor) => !flavors.includes(flavor))
        .map((flavor) => `refuses: ${unknownName("flavor", flavor, flavors).message}`),
      ...release.limitErrors(this.#archs, this.#vmms),
      ...this.omit
        .filter(({ paths }) => !paths.startsWith(`${this.directory}/`))
        .map(({ paths }) => `omit: ${paths} is not below ${this.directory}, where the preset is installed`),
    ];
    if (this.#accepted.length === 0 && flavors.length > 0) errors.push("is refused on every flavor");
    // An arch or VMM that the release does not have is reported above.
    else if (errors.length === 0) errors.push(...this.#limitErrors());
    return [...errors, ...(this.install.method === "npm" ? this.#validateNpm() : this.#validateUv())];
  }

  #limitErrors(): string[] {
    if (this.bases.length === 0 && this.#accepted.length > 0) {
      const archs = this.#accepted.map((base) => `${base.node.path} for ${base.archs.join(", ")}`);
      return [`archs: it is for ${this.#archs?.join(", ")}, and none of its bases is: ${archs.join("; ")}`];
    }
    return this.bases
      .filter((base) => this.vmmsOn(base).length === 0)
      .map(
        (base) =>
          `vmms: none of ${this.#vmms?.join(", ")} is one of ${base.node.path}: ${base.vmms.join(", ")}`,
      );
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
    const version = lockedVersion(files, path, name)!;
    const { hold } = this.install;
    if (hold && !satisfies(version, hold.range)) {
      return [`${path} has ${name} ${version}, but images.ts holds it to ${hold.range}: ${hold.reason}`];
    }
    return this.bases
      .filter((base) => (base.nodeVersion ? !satisfies(base.nodeVersion, range) : !startsAlone))
      .map(
        (base) =>
          `${name} ${version} needs Node ${range}, but ${base.node.path} has ` +
          `${base.nodeVersion ? `Node ${base.nodeVersion}` : "no Node"}: change the base's Node, or refuse ` +
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
