import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { buildNetwork, networkFromEnvironment } from "../../image/docker/network.ts";
import { secretsOf } from "../../image/rootfs/secrets.ts";
import type { RootfsOverride } from "../../plan/freshness.ts";
import { type CellOptions, openWorkshop, type Workshop } from "../../runtime/workshop.ts";
import { BOUNDS } from "../../schema/bounds.ts";
import type { Cell, Cells } from "../../schema/cells.ts";
import { DEFAULT_LEVEL } from "../../schema/defaults.ts";
import { flavorsOf, ofKind } from "../../schema/kinds/index.ts";
import { PipelineError, unknownName } from "../../util/error.ts";
import { SHA256 } from "../../util/hash.ts";
import { placeOf } from "../../util/place.ts";
import { type Accel, askedAccel } from "../../vm/accel.ts";
import type { CliProgress } from "../shared/progress.ts";
import { inRun } from "../shared/run.ts";
import { githubToken } from "../shared/token.ts";
import { root } from "./tree.ts";

/** The flags of commands that build. Each command declares some of them. */
export interface BuildFlags {
  /** The staging directory. */
  readonly store?: string | undefined;
  readonly level?: number;
  readonly cache?: boolean;
  readonly rootfs?: readonly ForFlavor[];
  readonly rootfsSha256?: readonly ForFlavor[];
  readonly kernel?: string;
  readonly initrd?: string;
  readonly accel?: Accel;
  readonly bootTimeout?: number;
  readonly bases?: string;
  readonly frames?: true;
  readonly record?: true;
  readonly asDeclared?: true;
  readonly aptMirror?: string;
  readonly apkMirror?: string;
  readonly npmRegistry?: string;
  readonly extraCa?: string;
}

/** A value for one flavor or, if `flavor` is undefined, for all flavors without their own value. */
interface ForFlavor {
  readonly flavor: string | undefined;
  readonly value: string;
}

/** Adds the options that every command that builds has: the sources of its inputs. */
export const withBuildOptions = (command: Command): Command =>
  command
    .option(
      "--rootfs <[flavor=]path|url>",
      "root file system tarball for the base, or for the base of one flavor (alpine=PATH); can be repeated",
      parseForFlavor,
    )
    .option(
      "--rootfs-sha256 <[flavor=]hex>",
      "sha256 of the tarball (default: the declared one)",
      parseSha256,
    )
    .option("--apt-mirror <url>", "apt mirror, used only during the build (SMOLVM_APT_MIRROR)")
    .option(
      "--apk-mirror <url>",
      "apk mirror: the address before v3.x/main, used only during the build (SMOLVM_APK_MIRROR)",
    )
    .option("--npm-registry <url>", "npm registry, used only during the build (SMOLVM_NPM_REGISTRY)")
    .option("--extra-ca <pem>", "CA to trust, used only during the build (NODE_EXTRA_CA_CERTS)");

/** Opens a workshop for the selected cells and runs `work` in it, with progress and cancellation. */
export async function inWorkshop(
  cells: Cells,
  selected: readonly Cell[],
  options: CellOptions,
  work: (workshop: Workshop, progress: CliProgress) => Promise<void>,
): Promise<void> {
  await inRun(async (run) => await work(await openWorkshop(cells, selected, options, run), run.progress));
}

/** @throws PipelineError if flags are not valid, contradict each other, or cannot hold for the selected cells */
export function toOptions(cells: Cells, flags: BuildFlags, selected: readonly Cell[]): CellOptions {
  if (flags.initrd !== undefined && flags.kernel === undefined)
    throw new PipelineError("--initrd is given without --kernel", { fix: "add --kernel PATH" });
  for (const file of [flags.kernel, flags.initrd]) {
    if (file !== undefined && !isFile(file)) {
      throw new PipelineError(`there is no file "${file}"`, {
        fix: "give the path of a kernel to --kernel, and of a ramdisk to --initrd",
      });
    }
  }
  if (flags.bases !== undefined && existsSync(flags.bases) && !statSync(flags.bases).isDirectory()) {
    throw new PipelineError(`--bases ${flags.bases} is a file`, { fix: "give a directory" });
  }
  const network = buildNetwork(networkFromEnvironment(process.env, flags), process.env);
  return {
    root: root(),
    network,
    asDeclared: flags.asDeclared,
    record: flags.record,
    level: flags.level ?? DEFAULT_LEVEL,
    noCache: flags.cache === false,
    store: flags.store,
    rootfs: rootfsOverrides(cells, flags, selected),
    kernel: flags.kernel
      ? { kernel: resolve(flags.kernel), initrd: flags.initrd && resolve(flags.initrd) }
      : undefined,
    accel: askedAccel(flags.accel),
    bootTimeoutMs: flags.bootTimeout && flags.bootTimeout * 1000,
    bases: flags.bases && resolve(flags.bases),
    frames: flags.frames,
    epoch: epochFromEnvironment(),
    secrets: secretsOf(network, { ...process.env, GITHUB_TOKEN: githubToken() }),
  };
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

function epochFromEnvironment(): number | undefined {
  const value = process.env.SOURCE_DATE_EPOCH;
  if (value === undefined || value === "") return undefined;
  const { least, most } = BOUNDS.sourceDateEpoch;
  const epoch = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (epoch >= least && epoch <= most) return epoch;
  throw new PipelineError(
    `SOURCE_DATE_EPOCH is "${value}", which is not a number of seconds since 1970 from ${least} to ${most}`,
    { fix: "set it to such a number, or unset it" },
  );
}

/** The root file systems of --rootfs. @throws PipelineError if a flavor or file does not exist, or a hash has no file */
function rootfsOverrides(
  cells: Cells,
  { rootfs = [], rootfsSha256 = [] }: BuildFlags,
  selected: readonly Cell[],
): RootfsOverride[] {
  const known = flavorsOf(cells.cells);
  for (const { flavor } of [...rootfs, ...rootfsSha256]) {
    if (flavor !== undefined && !known.includes(flavor)) throw unknownName("flavor", flavor, known);
  }
  const used = flavorsUsed(cells, selected);
  for (const { flavor } of rootfs) {
    if (flavor === undefined || used.has(flavor)) continue;
    throw new PipelineError(
      `--rootfs ${flavor}=… has no effect: the selected cells use no base of ${flavor}`,
      {
        fix: `give one of ${[...used].join(", ")}, or select other cells`,
      },
    );
  }
  for (const { flavor } of rootfsSha256) {
    if (rootfs.some((each) => each.flavor === flavor)) continue;
    const prefix = flavor === undefined ? "" : `${flavor}=`;
    throw new PipelineError(`--rootfs-sha256 ${prefix}HEX is given without its tarball`, {
      fix: `add --rootfs ${prefix}PATH|URL`,
    });
  }
  return rootfs.map(({ flavor, value: given }) => {
    const place = placeOf("--rootfs", given);
    const from = place.kind === "path" ? place.path : place.url;
    if (place.kind === "path" && !isFile(from)) {
      throw new PipelineError(`--rootfs ${from}: there is no such file`, {
        fix: "give the path of a tarball, or an http(s) address",
      });
    }
    return { flavor, from, sha256: rootfsSha256.find((each) => each.flavor === flavor)?.value };
  });
}

/** The flavors whose bases the cells are made from, or are booted with. */
function flavorsUsed({ cells }: Cells, selected: readonly Cell[]): Set<string> {
  const boots = ofKind(selected, "kernel").flatMap((kernel) => kernel.boots);
  return new Set(flavorsOf([...selected, ...cells.filter(({ id }) => boots.includes(id))]));
}

/** Parses `PATH` or `alpine=PATH`. A path that has "=" must begin with "./". */
function parseForFlavor(text: string, all: readonly ForFlavor[] = []): ForFlavor[] {
  const [, flavor, value = text] = /^([a-z][a-z0-9-]*)=(.+)$/.exec(text) ?? [];
  if (all.some((each) => each.flavor === flavor)) {
    throw new InvalidArgumentError(`It was already given ${flavor ? `for ${flavor}` : "without a flavor"}.`);
  }
  return [...all, { flavor, value }];
}

function parseSha256(text: string, all?: readonly ForFlavor[]): ForFlavor[] {
  const parsed = parseForFlavor(text, all);
  if (!SHA256.test(parsed.at(-1)!.value))
    throw new InvalidArgumentError("Expected 64 lower-case hex digits.");
  return parsed;
}
