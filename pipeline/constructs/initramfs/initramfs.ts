import { Construct } from "constructs";
import { z } from "zod";
import { BUILD_MODES, type BuildMode, MODULE_SETS, type ModuleSet } from "../../schema/initramfs/choices.ts";
import { INITRAMFS_FILES } from "../../schema/initramfs/files.ts";
import { KERNEL_FLAVORS, kernelVersionError } from "../../schema/initramfs/kernels.ts";
import { modulesOf } from "../../schema/initramfs/modules.ts";
import { releaseModeErrors } from "../../schema/initramfs/release-mode.ts";
import { Arch, nameError } from "../../schema/names.ts";
import { type Budget, BudgetProp, PackageProp } from "../base-rootfs.ts";
import { type Flavor, FlavorProp } from "../flavor.ts";
import { listOf, repeated, takesProps, text, wholeNumber } from "../props.ts";
import { Release } from "../release.ts";
import { type Unowned, UnownedProp } from "../unowned.ts";
import { type ApplianceProgram, AppliancePrograms, programsFor } from "./program.ts";
import { type Service, ServicesProp, serviceErrors } from "./service.ts";

/** A kernel module that an appliance has beside those of its set. */
export interface ExtraModule {
  /** The name that modprobe takes. */
  readonly name: string;
  /** What it is there for. */
  readonly why: string;
  /** Whether `/init` loads it before devices are detected. @default false */
  readonly essential?: boolean | undefined;
  /** Whether the kernel may lack it. @default false: the build fails without it */
  readonly optional?: boolean | undefined;
}

/** What an appliance is made of. Sizes are MiB for the tmpfs, and decimal megabytes for budgets. */
export interface InitramfsProps {
  /** The distribution of its userland: busybox or GNU, and the packages below. */
  readonly flavor: Flavor;
  /** Other releases of the distribution, which `ALPINE_VERSION` may choose. @default none */
  readonly otherVersions?: readonly Flavor[] | undefined;
  /** The distribution's packages to install, each with what it is there for. */
  readonly packages: Readonly<Record<string, string>>;
  /** The kernel, and the distribution whose package it is. */
  readonly kernel: {
    /** The distribution of the kernel: Alpine or Debian, also for a userland of the other. */
    readonly flavor: Flavor;
    /** `lts`, `edge`, or the exact version of the distribution's package. @default lts */
    readonly version?: string | undefined;
  };
  /** The set of modules. @default minimal */
  readonly modules?: ModuleSet | undefined;
  /** Modules beside those of the set. @default none */
  readonly extraModules?: readonly ExtraModule[] | undefined;
  /** Programs from releases on GitHub. @default none */
  readonly programs?: readonly ApplianceProgram[] | undefined;
  /** zinit's services, by their names. @default none */
  readonly services?: Readonly<Record<string, Service>> | undefined;
  /** The program that `/init` starts in the tmpfs, with its arguments. @default /sbin/zinit init */
  readonly start?: readonly string[] | undefined;
  /** The project's own script in the place of `/init`, by its path in the project. @default init/initramfs/init */
  readonly init?: string | undefined;
  /** What is allowed, and how much it says. @default debug */
  readonly mode?: BuildMode | undefined;
  /** The kernel's command line in the EFI file. @default both consoles, and eth0 as the name of the first network card */
  readonly commandLine?: string | undefined;
  /** The size of the tmpfs, MiB. @default 1536 */
  readonly rootMib?: number | undefined;
  /** The largest sizes with which it may be staged. @default no limit */
  readonly budget?: Budget | undefined;
  /** Files that no package owns and that neither the recipe nor a known script makes. @default none */
  readonly unowned?: readonly Unowned[] | undefined;
  /** The archs for which it is made. @default all of the release */
  readonly archs?: readonly Arch[] | undefined;
}

const START = ["/sbin/zinit", "init"];
const CONSOLE: Readonly<Record<Arch, string>> = { amd64: "ttyS0", arm64: "ttyAMA0" };
/** The script that the project's own one replaces. */
const INIT = INITRAMFS_FILES[0].from;

const Props: z.ZodType<InitramfsProps> = z.strictObject({
  flavor: FlavorProp,
  otherVersions: z.array(FlavorProp).optional(),
  packages: z.record(PackageProp, text()),
  kernel: z.strictObject({ flavor: FlavorProp, version: text().optional() }),
  modules: z.enum(MODULE_SETS).optional(),
  extraModules: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, "is not a name of a kernel module"),
        why: text(),
        essential: z.boolean().optional(),
        optional: z.boolean().optional(),
      }),
    )
    .optional(),
  programs: AppliancePrograms.optional(),
  services: ServicesProp.optional(),
  start: z
    .array(text().regex(/^[^\s"'$`\\]+$/, "has a character that a shell does not take as it is"))
    .refine(([program = ""]) => program.startsWith("/"), {
      error: "the first word must be the path of a program, such as /sbin/zinit",
    })
    .optional(),
  init: z
    .string()
    .regex(/^(?!\/)(?!.*(^|\/)\.\.(\/|$)).+$/, "is not a path in the project: relative, without ..")
    .optional(),
  mode: z.enum(BUILD_MODES).optional(),
  commandLine: text()
    .regex(/^[ -~]+$/, "is not one line of ASCII")
    .optional(),
  rootMib: wholeNumber(64).optional(),
  budget: BudgetProp.optional(),
  unowned: UnownedProp.optional(),
  archs: listOf(Arch).min(1, "names no arch").optional(),
});

/**
 * An appliance that runs from memory: a kernel, and an initramfs that copies itself into a tmpfs and starts an init program
 * there. It is built and booted locally, and is no part of the release. Its id is its name.
 * @example
 * ```ts
 * new Initramfs(release, "box", {
 *   flavor: alpine,
 *   kernel: { flavor: debian, version: "lts" },
 *   modules: "minimal",
 *   packages: { kmod: "loads modules" },
 *   programs: [pins.ZINIT],
 *   services: { lo: { exec: "ip link set lo up", oneshot: true } },
 * });
 * ```
 */
export class Initramfs extends Construct {
  /** Its name: the id of the construct. */
  readonly name: string;
  /** {@inheritDoc InitramfsProps.flavor} */
  readonly flavor!: Flavor;
  /** {@inheritDoc InitramfsProps.otherVersions} */
  readonly otherVersions!: readonly Flavor[];
  /** {@inheritDoc InitramfsProps.packages} */
  readonly packages!: Readonly<Record<string, string>>;
  /** {@inheritDoc InitramfsProps.kernel} */
  readonly kernel!: { readonly flavor: Flavor; readonly version: string };
  /** {@inheritDoc InitramfsProps.modules} */
  readonly modules!: ModuleSet;
  /** {@inheritDoc InitramfsProps.extraModules} */
  readonly extraModules!: readonly ExtraModule[];
  /** {@inheritDoc InitramfsProps.programs} */
  readonly programs!: readonly ApplianceProgram[];
  /** {@inheritDoc InitramfsProps.services} */
  readonly services!: Readonly<Record<string, Service>>;
  /** {@inheritDoc InitramfsProps.start} */
  readonly start!: readonly string[];
  /** {@inheritDoc InitramfsProps.init} */
  readonly init!: string;
  /** {@inheritDoc InitramfsProps.mode} */
  readonly mode!: BuildMode;
  /** {@inheritDoc InitramfsProps.rootMib} */
  readonly rootMib!: number;
  /** {@inheritDoc InitramfsProps.budget} */
  readonly budget!: Budget | undefined;
  /** {@inheritDoc InitramfsProps.unowned} */
  readonly unowned!: readonly Unowned[];
  #archs: readonly Arch[] | undefined;
  #commandLine: string | undefined;

  constructor(scope: Construct, id: string, props: InitramfsProps) {
    super(scope, id);
    const release = Release.of(this);
    this.name = id;
    this.node.addValidation({ validate: () => this.#validate() });
    if (!takesProps(this, Props, props)) return;
    this.flavor = props.flavor;
    this.otherVersions = props.otherVersions ?? [];
    this.packages = props.packages;
    this.kernel = { flavor: props.kernel.flavor, version: props.kernel.version ?? "lts" };
    this.modules = props.modules ?? "minimal";
    this.extraModules = props.extraModules ?? [];
    this.programs = props.programs ?? [];
    this.services = props.services ?? {};
    this.start = props.start ?? START;
    this.init = props.init ?? INIT;
    this.mode = props.mode ?? "debug";
    this.rootMib = props.rootMib ?? 1536;
    this.budget = props.budget;
    this.unowned = props.unowned ?? [];
    this.#archs = props.archs;
    this.#commandLine = props.commandLine;
    release.appliances.push(this);
  }

  /** The archs for which it is made. */
  get archs(): Arch[] {
    return Release.of(this).archsAmong(this.#archs);
  }

  /** The kernel's command line in the EFI file of an arch. The last console is the one that `/init` talks on. */
  commandLine(arch: Arch): string {
    return this.#commandLine ?? `console=tty0 console=${CONSOLE[arch]},115200 net.ifnames=0`;
  }

  #validate(): string[] {
    const release = Release.of(this);
    const named = nameError("appliance", this.name);
    const flavors = [this.flavor, this.kernel.flavor, ...this.otherVersions];
    return [
      ...(named === undefined ? [] : [named]),
      ...release.limitErrors(this.#archs),
      ...(flavors.some(({ errors }) => errors.length > 0) ? [] : this.#flavorErrors()),
      ...this.#moduleErrors(),
      ...this.#programErrors(),
      ...serviceErrors(this.services),
      ...(release.files(this.init) === undefined ? [`init: there is no file ${this.init}`] : []),
    ];
  }

  #flavorErrors(): string[] {
    const { flavor, otherVersions, kernel } = this;
    const errors = [...new Set([flavor, ...otherVersions, kernel.flavor])].flatMap((each) =>
      this.archs
        .filter((arch) => each.sources(arch).length === 0)
        .map((arch) => `${each.name} ${each.version} has no image or tarball for ${arch}: declare one`),
    );
    for (const other of otherVersions.filter(({ name }) => name !== flavor.name)) {
      errors.push(`otherVersions: ${other.name} ${other.version} is not ${flavor.name}`);
    }
    for (const version of repeated([flavor, ...otherVersions].map((each) => each.version))) {
      errors.push(`otherVersions: ${flavor.name} ${version} is declared twice`);
    }
    if (!KERNEL_FLAVORS.includes(kernel.flavor.name)) {
      return [
        ...errors,
        `kernel.flavor: no kernel of ${kernel.flavor.name} is known; one of: ${KERNEL_FLAVORS.join(", ")}`,
      ];
    }
    const error = kernelVersionError(kernel.flavor.name, kernel.version);
    return error === undefined ? errors : [...errors, `kernel.version: ${error}`];
  }

  #moduleErrors(): string[] {
    const names = this.extraModules.map(({ name }) => name);
    const listed = modulesOf(this.modules, this.kernel.flavor.name).map(({ name }) => name);
    return [
      ...repeated(names).map((name) => `extraModules: ${name} is listed twice`),
      ...names
        .filter((name) => listed.includes(name))
        .map((name) => `extraModules: ${name} is in the set ${this.modules} already`),
    ];
  }

  #programErrors(): string[] {
    const missing = this.programs.flatMap(({ path, files }) =>
      this.archs
        .filter((arch) => !files[arch])
        .map(
          (arch) =>
            `programs: ${path} has no file for ${arch}: declare its address, or leave ${arch} out with \`archs\``,
        ),
    );
    const [program = ""] = this.start;
    const unknown =
      this.start === START && !this.programs.some(({ path }) => path === program)
        ? [`start: ${program} is none of the programs: declare it there, or another program to start`]
        : [];
    const unpinned = this.archs.flatMap((arch) =>
      releaseModeErrors({
        ...{ mode: this.mode, verify_checksums: true, kernel: this.kernel },
        programs: programsFor(this.programs, arch),
      }).map((error) => `mode: release mode is refused: ${error}`),
    );
    return [...missing, ...unknown, ...new Set(unpinned)];
  }
}
