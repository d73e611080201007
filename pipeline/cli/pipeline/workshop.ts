import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { buildNetwork, networkFromEnvironment } from "../../image/docker/network.ts";
import { secretsOf } from "../../image/rootfs/secrets.ts";
import type { RootfsOverride } from "../../plan/freshness.ts";
import { type CellOptions, openWorkshop, type Workshop } from "../../runtime/workshop.ts";
import { BOUNDS } from "../../schema/bounds.ts";
import type { Cells } from "../../schema/cells.ts";
import { DEFAULT_LEVEL } from "../../schema/defaults.ts";
import { flavorsOf } from "../../schema/kinds/index.ts";
import { PipelineError, unknownName } from "../../util/error.ts";
import { SHA256 } from "../../util/hash.ts";
import { placeOf } from "../../util/place.ts";
import { type Accel, askedAccel } from "../../vm/accel.ts";
import type { CliProgress } from "../shared/progress.ts";
import { inRun } from "../shared/run.ts";
import { root } from "./tree.ts";

/** What the commands that build are given on the command line; each declares those that it has. */
export interface BuildFlags {
  /** A directory. */
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
  readonly record?: true;
  readonly asDeclared?: true;
  readonly aptMirror?: string;
  readonly apkMirror?: string;
  readonly npmRegistry?: string;
  readonly extraCa?: string;
}

/** A value of one flavor, or of all that have none of their own (undefined). */
interface ForFlavor {
  readonly flavor: string | undefined;
  readonly value: string;
}

/** Adds what every command that builds can be told: where its inputs come from. */
export const withBuildOptions = (command: Command): Command =>
  command
    .option(
      "--rootfs <[flavor=]path|url>",
      "make the base from this root file system tarball, or that of one flavor (alpine=PATH); may be given again",
      parseForFlavor,
    )
    .option(
      "--rootfs-sha256 <[flavor=]hex>",
      "what the tarball must hash to (default: the flavor's own)",
      parseSha256,
    )
    .option("--apt-mirror <url>", "an archive mirror for the build alone (SMOLVM_APT_MIRROR)")
    .option("--apk-mirror <url>", "the address above v3.x/main, for the build alone (SMOLVM_APK_MIRROR)")
    .option("--npm-registry <url>", "an npm registry for the build alone (SMOLVM_NPM_REGISTRY)")
    .option("--extra-ca <pem>", "a CA to trust during the build (NODE_EXTRA_CA_CERTS)");

/** Opens a workshop for `work`, which can be interrupted and says how far it is. */
export async function inWorkshop(
  cells: Cells,
  options: CellOptions,
  work: (workshop: Workshop, progress: CliProgress) => Promise<void>,
): Promise<void> {
  await inRun(async (run) => await work(await openWorkshop(cells, options, run), run.progress));
}

/** @throws PipelineError at flags that do not go together */
export function toOptions(cells: Cells, flags: BuildFlags): CellOptions {
  if (flags.initrd !== undefined && flags.kernel === undefined)
    throw new PipelineError("--initrd needs --kernel");
  for (const file of [flags.kernel, flags.initrd]) {
    if (file !== undefined && !isFile(file)) {
      throw new PipelineError(`there is no file "${file}" to boot with: give a kernel's or a ramdisk's path`);
    }
  }
  if (flags.bases !== undefined && existsSync(flags.bases) && !statSync(flags.bases).isDirectory()) {
    throw new PipelineError(`--bases ${flags.bases} is a file: give a directory`);
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
    rootfs: rootfsOverrides(cells, flags),
    kernel: flags.kernel
      ? { kernel: resolve(flags.kernel), initrd: flags.initrd && resolve(flags.initrd) }
      : undefined,
    accel: askedAccel(flags.accel),
    bootTimeoutMs: flags.bootTimeout && flags.bootTimeout * 1000,
    bases: flags.bases && resolve(flags.bases),
    epoch: epochFromEnvironment(),
    secrets: secretsOf(network, process.env),
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
    `SOURCE_DATE_EPOCH "${value}" is not a number of seconds since 1970, from ${least} to ${most}`,
  );
}

/** The root file systems of the user's own. @throws PipelineError at flavors, files and hashes that are not right */
function rootfsOverrides(cells: Cells, { rootfs = [], rootfsSha256 = [] }: BuildFlags): RootfsOverride[] {
  const known = flavorsOf(cells.cells);
  for (const { flavor } of [...rootfs, ...rootfsSha256]) {
    if (flavor !== undefined && !known.includes(flavor)) throw unknownName("flavor", flavor, known);
  }
  for (const { flavor } of rootfsSha256) {
    if (rootfs.some((each) => each.flavor === flavor)) continue;
    const prefix = flavor === undefined ? "" : `${flavor}=`;
    throw new PipelineError(`--rootfs-sha256 ${prefix}HEX needs --rootfs ${prefix}PATH|URL`);
  }
  return rootfs.map(({ flavor, value: given }) => {
    const place = placeOf("--rootfs", given);
    const from = place.kind === "path" ? place.path : place.url;
    if (place.kind === "path" && !isFile(from)) {
      throw new PipelineError(`--rootfs ${from}: there is no such file; give a path, or an http(s) address`);
    }
    return { flavor, from, sha256: rootfsSha256.find((each) => each.flavor === flavor)?.value };
  });
}

/** `PATH`, or `alpine=PATH`; a path with "=" in it begins with "./". */
function parseForFlavor(text: string, all: readonly ForFlavor[] = []): ForFlavor[] {
  const [, flavor, value = text] = /^([a-z][a-z0-9-]*)=(.+)$/.exec(text) ?? [];
  if (all.some((each) => each.flavor === flavor)) {
    throw new InvalidArgumentError(`There is one ${flavor ? `for ${flavor}` : "without a flavor"} already.`);
  }
  return [...all, { flavor, value }];
}

function parseSha256(text: string, all?: readonly ForFlavor[]): ForFlavor[] {
  const parsed = parseForFlavor(text, all);
  if (!SHA256.test(parsed.at(-1)!.value)) throw new InvalidArgumentError("64 lower-case hex digits.");
  return parsed;
}
