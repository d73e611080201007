import { Command } from "commander";
import { type Started, start } from "../../client/machines/start.ts";
import { checkDisk, checkStartOptions } from "../../client/machines/start-options.ts";
import { ensureBase, ensureImage, type LocalImage, type PullOptions } from "../../client/pull.ts";
import { DEFAULT_CPUS, DEFAULT_MEMORY_MIB } from "../../schema/defaults.ts";
import type { Accel } from "../../vm/accel.ts";
import { accelOption } from "../shared/accel-option.ts";
import { BOUNDS, range, sizeInMib, sizes, wholeNumber } from "../shared/numbers.ts";
import { type CliRun, inRun } from "../shared/run.ts";
import { type ImageFlags, pullOptions, withImageOptions } from "./pull-options.ts";
import { connectTo } from "./ssh.ts";

interface Flags extends ImageFlags {
  readonly name?: string;
  readonly memory?: number;
  readonly cpus?: number;
  readonly disk?: number;
  readonly key?: string;
  readonly tap?: string;
  readonly accel?: Accel;
  readonly keep?: true;
  readonly timings?: true;
}

const withMachineOptions = (command: Command): Command =>
  withImageOptions(command)
    .option("--name <name>", "the machine's name (default: generated)")
    .option(
      "--memory <size>",
      `memory, such as 512M or 2G (${sizes(BOUNDS.memoryMib)}; default: ${DEFAULT_MEMORY_MIB / 1024}G)`,
      sizeInMib(BOUNDS.memoryMib),
    )
    .option(
      "--cpus <n>",
      `number of processors (${range(BOUNDS.cpus)}; default: ${DEFAULT_CPUS})`,
      wholeNumber(BOUNDS.cpus),
    )
    .option(
      "--disk <size>",
      `size of the disk, such as 8G (at most ${BOUNDS.diskMib.most / 1024}G; default: the image's)`,
      sizeInMib(BOUNDS.diskMib),
    )
    .option("--key <file>", "a public key that may log in as root, such as ~/.ssh/id_ed25519.pub")
    .option(
      "--tap <device>",
      "tap device for Firecracker's network; it must be up, with the address 172.16.0.1/30",
    )
    .addOption(accelOption())
    .option("--keep", "keep the machine running when the command ends; see ps, ssh, stop")
    .option("--timings", "print how long each part took");

export const createCommand = withMachineOptions(
  new Command("create").argument("[command...]", "after `--`: the command to run (default: a shell)"),
).action(async (command: string[], flags: Flags) => {
  const { arch, flavor, vmm } = flags;
  await machineOf("base", command, flags, (run) => ensureBase({ arch, flavor, vmm }, sources(flags, run)));
});

export const startCommand = withMachineOptions(
  new Command("start")
    .argument("<preset>", "codex, claude-code, pi, …")
    .argument("[command...]", "after `--`: the command to run (default: a shell)"),
).action(async (preset: string, command: string[], flags: Flags) => {
  const { arch, flavor, vmm } = flags;
  await machineOf(preset, command, flags, (run) =>
    ensureImage({ preset, arch, flavor, vmm }, sources(flags, run)),
  );
});

/** Where the image comes from. It is not downloaded if it does not fit on the disk. */
const sources = (flags: Flags, run: CliRun): PullOptions => ({
  ...pullOptions(flags, run),
  checkImage: (imageSize) => checkDisk(flags.disk, imageSize),
});

async function machineOf(
  image: string,
  command: readonly string[],
  flags: Flags,
  ensure: (run: CliRun) => Promise<LocalImage>,
): Promise<void> {
  await inRun(async (run) => {
    const { name, arch, vmm, flavor, memory: memoryMib, cpus, disk: diskMib, key, tap, accel } = flags;
    const options = {
      ...{ name, arch, vmm, flavor, image },
      ...{ memoryMib, cpus, diskMib, key, tap, accel },
    };
    await checkStartOptions(options);
    const began = performance.now();
    const local = await ensure(run);
    const started = await start(local, { ...options, flavor: local.flavor }, run);
    const totalMs = performance.now() - began;
    run.progress.end();
    if (flags.timings) process.stderr.write(timings(local, started, totalMs));
    await use(started, command, flags.keep === true, run);
  });
}

/**
 * Runs the command or a shell, and then powers the machine off. With `keep` the machine keeps running; without a
 * command, its name is printed to stdout.
 */
async function use(started: Started, command: readonly string[], keep: boolean, run: CliRun): Promise<void> {
  const { machine } = started;
  if (keep && command.length === 0) {
    started.release();
    process.stdout.write(`${machine.name}\n`);
    process.stderr.write(
      `the machine keeps running: \`smolvm ssh ${machine.name}\`, \`smolvm stop ${machine.name}\`\n`,
    );
    return;
  }
  try {
    process.exitCode = await connectTo(machine, command);
    run.signal.throwIfAborted();
  } finally {
    if (keep) started.release();
    else await started.stop();
  }
  if (keep) process.stderr.write(`${machine.name} keeps running: \`smolvm ssh ${machine.name}\`\n`);
}

/**
 * How long each part took, and all of them. `other` is what is no part: a copied disk, a first try with KVM.
 * @param totalMs from the lookup to the login
 */
export function timings(
  { timings: { lookupMs, downloadMs, finishMs } }: Pick<LocalImage, "timings">,
  { bootMs, readyMs }: Pick<Started, "bootMs" | "readyMs">,
  totalMs: number,
): string {
  const parts = {
    lookup: lookupMs,
    download: downloadMs,
    "verify+decompress": finishMs,
    boot: bootMs,
    ready: readyMs,
  };
  const other = totalMs - Object.values(parts).reduce((sum, ms) => sum + ms, 0);
  return Object.entries({ ...parts, other, total: totalMs })
    .map(([name, ms]) => `${name.padEnd(18)}${(ms / 1000).toFixed(2).padStart(8)} s\n`)
    .join("");
}
