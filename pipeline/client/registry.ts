import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { PipelineError, unknownName } from "../schema/error.ts";
import { isRunning } from "../schema/process.ts";
import { readRecord } from "../schema/record.ts";

/** `machine.json` in a machine's directory. */
const Machine = z.strictObject({
  schema_version: z.literal(1),
  name: z.string(),
  /** The VMM's process, as `identityOf` gives it. */
  process: z.string(),
  vmm: z.string(),
  image: z.string(),
  flavor: z.string(),
  /** Where its SSH is: an address, and a port. */
  host: z.string(),
  port: z.int().positive(),
  rootfs: z.string(),
  started_at: z.string(),
});
export type Machine = z.infer<typeof Machine>;

/** Where machines have their directories: SMOLVM_MACHINES, or ~/.smolvm/machines. */
const machinesDirectory = (): string => process.env.SMOLVM_MACHINES || join(homedir(), ".smolvm", "machines");

export const directoryOf = (name: string): string => join(machinesDirectory(), name);
/** The private key that lets us into a machine; the public one is beside it. */
export const keyOf = (name: string): string => join(directoryOf(name), "key");

/** Makes the directory of a new machine. @throws PipelineError when a machine of that name runs */
export async function claim(name: string): Promise<string> {
  if (!/^[a-z0-9][a-z0-9-]{0,40}$/.test(name)) {
    throw new PipelineError(`machine name "${name}": lower-case letters, digits and "-", at most 41 of them`);
  }
  const directory = directoryOf(name);
  await mkdir(machinesDirectory(), { recursive: true });
  for (;;) {
    try {
      await mkdir(directory, { mode: 0o700 });
      return directory;
    } catch (error) {
      const there = await read(name);
      if (there && isRunning(there.process)) {
        throw new PipelineError(
          `a machine named ${name} runs: \`smolvm stop ${name}\`, or choose another --name`,
          {
            cause: error,
          },
        );
      }
      await rm(directory, { recursive: true, force: true });
    }
  }
}

export async function register(machine: Machine): Promise<void> {
  await writeFile(join(directoryOf(machine.name), "machine.json"), JSON.stringify(machine, null, 2));
}

const read = (name: string) => readRecord(join(directoryOf(name), "machine.json"), Machine);

/** The machines that run; what is left of others is removed. */
export async function machines(): Promise<Machine[]> {
  const names = await readdir(machinesDirectory()).catch(() => []);
  const running: Machine[] = [];
  for (const name of names.sort()) {
    const machine = await read(name);
    // One without a record is being started.
    if (!machine) continue;
    if (isRunning(machine.process)) running.push(machine);
    else await rm(directoryOf(name), { recursive: true, force: true });
  }
  return running;
}

/** A machine that runs. @throws PipelineError that says which do */
export async function machineNamed(name: string): Promise<Machine> {
  const all = await machines();
  const machine = all.find((each) => each.name === name);
  if (machine) return machine;
  if (all.length === 0)
    throw new PipelineError(`no machine runs: \`smolvm create --keep\` starts one that stays`);
  throw unknownName(
    "machine",
    name,
    all.map((each) => each.name),
  );
}

/** The files that running machines were started from. */
export async function usedByMachines(): Promise<Set<string>> {
  return new Set((await machines()).map(({ rootfs }) => rootfs));
}
