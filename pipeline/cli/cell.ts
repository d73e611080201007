import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { DEFAULT_LEVEL } from "../build/compress.ts";
import { buildNetwork, networkFromEnvironment } from "../build/network.ts";
import { imageCells, readCells, selectCells } from "../runtime/cells.ts";
import { type Outcome, runCells, STAGES, type Stage } from "../runtime/run-cells.ts";
import { secretsOf } from "../runtime/secrets.ts";
import { type CellOptions, openWorkshop } from "../runtime/workshop.ts";
import { PipelineError } from "../schema/error.ts";
import { interruptible } from "./interrupt.ts";
import { createProgress, humanBytes } from "./progress.ts";
import { root } from "./tree.ts";

interface Flags {
  readonly stage?: Stage;
  readonly store?: string;
  readonly level: number;
  readonly cache: boolean;
  readonly rootfs?: string;
  readonly rootfsSha256?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly bootTimeout?: number;
  readonly bases?: string;
  readonly aptMirror?: string;
  readonly apkMirror?: string;
  readonly npmRegistry?: string;
  readonly extraCa?: string;
}

export const cellCommand = new Command("cell")
  .description("build cells, boot them, and stage what has proven to work")
  .argument("<id...>", "cells, as `npm run list` shows them: codex-amd64-debian")
  .addOption(new Option("--stage <stage>", "run one stage alone").choices(STAGES))
  .option("--store <dir:PATH>", "where finished cells go (default: dir:out/release/<tag>)", parseStore)
  .option("--level <1-19>", "zstd level: a low one for quick work", parseLevel, DEFAULT_LEVEL)
  .option("--no-cache", "build every step anew, also what is staged already")
  .option("--rootfs <path|url>", "make the base from this root file system tarball")
  .option("--rootfs-sha256 <hex>", "what the tarball must hash to (default: the flavor's own)", parseSha256)
  .option("--kernel <path>", "boot with this kernel")
  .option("--initrd <path>", "and this initial ramdisk")
  .option("--boot-timeout <s>", "how long a machine has until it lets us in", parseSeconds)
  .option("--bases <dir>", "take bases' container images from here, and put them here when they are built")
  .option("--apt-mirror <url>", "an archive mirror for the build alone (SMOLVM_APT_MIRROR)")
  .option("--apk-mirror <url>", "the address above v3.x/main, for the build alone (SMOLVM_APK_MIRROR)")
  .option("--npm-registry <url>", "an npm registry for the build alone (SMOLVM_NPM_REGISTRY)")
  .option("--extra-ca <pem>", "a CA to trust during the build (NODE_EXTRA_CA_CERTS)")
  .action(async (ids: string[], flags: Flags) => {
    const cells = readCells(root());
    const selected = imageCells(selectCells(cells, ids));
    const options = toOptions(flags);
    const progress = createProgress(process.env, process.stderr);
    try {
      await interruptible(async (signal) => {
        const workshop = await openWorkshop(cells, options, { progress, signal });
        await runCells(workshop, selected, flags.stage ? [flags.stage] : STAGES, (outcome) => {
          progress.end();
          report(outcome, workshop.store.directory);
        });
      });
    } catch (error) {
      process.exitCode = 2;
      throw error;
    } finally {
      progress.end();
    }
  });

function toOptions(flags: Flags): CellOptions {
  if (flags.initrd && !flags.kernel) throw new PipelineError("--initrd needs --kernel");
  if (flags.rootfsSha256 && !flags.rootfs) throw new PipelineError("--rootfs-sha256 needs --rootfs");
  for (const file of [flags.kernel, flags.initrd]) {
    if (file && !existsSync(file)) throw new PipelineError(`there is no ${file} to boot with`);
  }
  const network = buildNetwork(networkFromEnvironment(process.env, flags), process.env);
  return {
    root: root(),
    network,
    level: flags.level,
    noCache: !flags.cache,
    store: flags.store,
    rootfs: flags.rootfs ? { from: flags.rootfs, sha256: flags.rootfsSha256 } : undefined,
    kernel: flags.kernel
      ? { kernel: resolve(flags.kernel), initrd: flags.initrd && resolve(flags.initrd) }
      : undefined,
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

/** The path of each asset is data; what it is goes to the reader. */
function report({ id, result, facts }: Outcome, store: string): void {
  if (!facts) {
    process.stderr.write(`${id}: built, not verified yet\n`);
    return;
  }
  const { boot, size, image_size: raw } = facts;
  process.stderr.write(
    `${id}: ${result === "kept" ? "staged before, from the same inputs" : "verified and staged"}\n` +
      `  ${humanBytes(size)}, of a ${humanBytes(raw)} image; SSH login after ${(boot.ms / 1000).toFixed(1)} s ` +
      `(${boot.accel}), init ready at ${boot.ready_uptime_s.toFixed(1)} s\n` +
      `${boot.check ? `  ${boot.check.command.join(" ")}: ${boot.check.output.split("\n")[0]}\n` : ""}` +
      `  sha256 ${facts.sha256}\n` +
      `${facts.overrides.length > 0 ? `  not as declared: ${facts.overrides.join(", ")}\n` : ""}`,
  );
  process.stdout.write(`${relative(root(), `${store}/${facts.asset}`)}\n`);
}

function parseStore(value: string): string {
  const path = /^dir:(.+)$/.exec(value)?.[1];
  if (!path) throw new InvalidArgumentError('Stores: "dir:PATH".');
  return resolve(path);
}

function parseLevel(value: string): number {
  const level = Number(value);
  if (!Number.isInteger(level) || level < 1 || level > 19)
    throw new InvalidArgumentError("A whole number from 1 to 19.");
  return level;
}

function parseSeconds(value: string): number {
  if (!/^[1-9]\d{0,4}$/.test(value)) throw new InvalidArgumentError("A whole number of seconds.");
  return Number(value);
}

function parseSha256(value: string): string {
  if (!/^[0-9a-f]{64}$/.test(value)) throw new InvalidArgumentError("64 lower-case hex digits.");
  return value;
}
