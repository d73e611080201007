import { relative, resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { DEFAULT_LEVEL } from "../build/compress.ts";
import { readCells, selectCells } from "../runtime/cells.ts";
import { type Outcome, runCells, STAGES, type Stage } from "../runtime/run-cells.ts";
import type { KernelFacts, RootfsFacts } from "../schema/facts.ts";
import { humanBytes } from "./progress.ts";
import { root } from "./tree.ts";
import { type BuildFlags, inWorkshop, toOptions, withBuildOptions } from "./workshop.ts";

interface Flags extends BuildFlags {
  readonly stage?: Stage;
}

export const cellCommand = withBuildOptions(
  new Command("cell")
    .description("build cells, boot them, and stage what has proven to work")
    .argument("<id...>", "cells, as `npm run list` shows them: codex-amd64-debian")
    .addOption(new Option("--stage <stage>", "run one stage alone").choices(STAGES))
    .option("--store <dir:PATH>", "where finished cells go (default: dir:out/release/<tag>)", parseStore)
    .option("--level <1-19>", "zstd level: a low one for quick work", parseLevel, DEFAULT_LEVEL)
    .option("--no-cache", "build every step anew, also what is staged already")
    .option("--as-declared", "refuse what could not be had as declared, instead of saying so in its facts")
    .option("--record", "write what is in each image to listings/, for later ones to be compared with")
    .option("--kernel <path>", "boot with this kernel")
    .option("--initrd <path>", "and this initial ramdisk")
    .option("--boot-timeout <s>", "how long a machine has until it lets us in", parseSeconds)
    .option("--bases <dir>", "take bases' container images from here, and put them here when they are built"),
).action(async (ids: string[], flags: Flags) => {
  const cells = readCells(root());
  const selected = selectCells(cells, ids);
  await inWorkshop(cells, toOptions(flags), async (workshop, progress) => {
    await runCells(workshop, selected, flags.stage ? [flags.stage] : STAGES, (outcome) => {
      progress.end();
      report(outcome, workshop.store.directory);
    });
  });
});

/** The path of each asset is data; what it is goes to the reader. */
function report({ id, result, facts }: Outcome, store: string): void {
  if (result === "built") {
    process.stderr.write(`${id}: built, not verified yet\n`);
    return;
  }
  const how = result === "kept" ? "staged before, from the same inputs" : "verified and staged";
  process.stderr.write(`${id}: ${how}\n`);
  for (const each of facts) {
    for (const line of each.kind === "kernel" ? kernelLines(each) : rootfsLines(each)) {
      process.stderr.write(`  ${line}\n`);
    }
    process.stderr.write(`  sha256 ${each.sha256}\n`);
  }
  const overrides = facts[0]?.overrides ?? [];
  if (overrides.length > 0) process.stderr.write(`  not as declared: ${overrides.join(", ")}\n`);
  for (const { asset } of facts) process.stdout.write(`${relative(root(), `${store}/${asset}`)}\n`);
}

function rootfsLines({ boot, size, image_size: raw }: RootfsFacts): string[] {
  return [
    `${humanBytes(size)}, of a ${humanBytes(raw)} image; SSH login after ${(boot.ms / 1000).toFixed(1)} s ` +
      `(${boot.accel}), init ready at ${boot.ready_uptime_s.toFixed(1)} s`,
    ...(boot.check ? [`${boot.check.command.join(" ")}: ${boot.check.output.split("\n")[0]}`] : []),
  ];
}

function kernelLines({ asset, size, source, boot }: KernelFacts): string[] {
  return [
    `${asset}: ${humanBytes(size)}, from ${source}`,
    ...boot.map(
      ({ rootfs, machine, accel, init_uptime_s: init }) =>
        `PID 1 at ${init.toFixed(1)} s on ${machine} (${accel})` +
        `${rootfs ? `, SSH login after ${(rootfs.ms / 1000).toFixed(1)} s: ${rootfs.id}` : ", no further"}`,
    ),
  ];
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
