import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { DEFAULT_LEVEL } from "../build/compress.ts";
import { buildNetwork, networkFromEnvironment } from "../build/network.ts";
import { secretsOf } from "../runtime/secrets.ts";
import { type CellOptions, openWorkshop, type Workshop } from "../runtime/workshop.ts";
import type { Cells } from "../schema/cells.ts";
import { PipelineError } from "../schema/error.ts";
import { type Accel, askedAccel } from "../vm/accel.ts";
import type { CliProgress } from "./progress.ts";
import { inRun } from "./run.ts";
import { root } from "./tree.ts";

/** What the commands that build are given on the command line; each declares those that it has. */
export interface BuildFlags {
  /** A directory. */
  readonly store?: string | undefined;
  readonly level?: number;
  readonly cache?: boolean;
  readonly rootfs?: string;
  readonly rootfsSha256?: string;
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

/** Adds what every command that builds can be told: where its inputs come from. */
export const withBuildOptions = (command: Command): Command =>
  command
    .option("--rootfs <path|url>", "make the base from this root file system tarball")
    .option("--rootfs-sha256 <hex>", "what the tarball must hash to (default: the flavor's own)", parseSha256)
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
export function toOptions(flags: BuildFlags): CellOptions {
  if (flags.initrd && !flags.kernel) throw new PipelineError("--initrd needs --kernel");
  if (flags.rootfsSha256 && !flags.rootfs) throw new PipelineError("--rootfs-sha256 needs --rootfs");
  for (const file of [flags.kernel, flags.initrd]) {
    if (file && !existsSync(file)) throw new PipelineError(`there is no ${file} to boot with`);
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
    rootfs: flags.rootfs ? { from: flags.rootfs, sha256: flags.rootfsSha256 } : undefined,
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

function epochFromEnvironment(): number | undefined {
  const value = process.env.SOURCE_DATE_EPOCH;
  if (value === undefined || value === "") return undefined;
  if (!/^\d+$/.test(value))
    throw new PipelineError(`SOURCE_DATE_EPOCH "${value}" is not a number of seconds`);
  return Number(value);
}

function parseSha256(value: string): string {
  if (!/^[0-9a-f]{64}$/.test(value)) throw new InvalidArgumentError("64 lower-case hex digits.");
  return value;
}
