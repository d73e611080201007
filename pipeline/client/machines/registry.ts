import { lstat, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { cannotRead, entriesIn, makeDirectory } from "../../util/directory.ts";
import { errorCode, isFileError, PipelineError, unknownName } from "../../util/error.ts";
import { withLock } from "../../util/lock.ts";
import { identityOf, isAlive, isRunning } from "../../util/process.ts";
import { type Run, unwatched } from "../../util/progress.ts";
import { reasonOf } from "../../util/reason.ts";
import { readRecord } from "../../util/record.ts";
import { writeWhole } from "../../util/whole-file.ts";

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
/** The private key for root's login in a machine; the public one is beside it. */
export const keyOf = (name: string): string => join(directoryOf(name), "key");

/** `claim.json` in a machine's directory, from its beginning: a directory without one is not ours. */
const Claim = z.strictObject({
  schema_version: z.literal(1),
  name: z.string(),
  /** The process that starts the machine, as `identityOf` gives it. */
  owner: z.string(),
});
type Claim = z.infer<typeof Claim>;

const NAME = /^[a-z0-9][a-z0-9-]{0,40}$/;
const ADVICE = "choose another place with SMOLVM_MACHINES";

function checkForm(name: string): void {
  if (NAME.test(name)) return;
  throw new PipelineError(`machine name "${name}": lower-case letters, digits and "-", at most 41 of them`);
}

/** Whether a machine may be called so, and none is now; `claim` decides. @throws PipelineError where not */
export async function checkMachineName(name: string): Promise<void> {
  checkForm(name);
  const { state } = await look(name);
  if (state !== "free" && state !== "ended") throw taken(name, state);
}

/**
 * Makes the directory of a new machine. It appears with the record of who makes it, or not at all; what a machine or a
 * start has left that has ended is removed before. Nothing else is.
 * @throws PipelineError when the name is taken, or the directory cannot be made
 */
export async function claim(name: string, run: Run = unwatched()): Promise<string> {
  checkForm(name);
  await makeDirectory(machinesDirectory(), ADVICE);
  return await alone(name, run, async () => {
    const directory = directoryOf(name);
    const there = await look(name);
    if (there.state === "ended") await removeDirectory(name);
    else if (there.state !== "free") throw taken(name, there.state);
    const made = temporary(name, "claim");
    const mine = { schema_version: 1, name, owner: identityOf(process.pid) };
    try {
      await rm(made, { recursive: true, force: true });
      await mkdir(made, { mode: 0o700 });
      await writeFile(join(made, "claim.json"), JSON.stringify(mine));
      await rename(made, directory);
    } catch (cause) {
      await rm(made, { recursive: true, force: true });
      if (!isFileError(cause)) throw cause;
      throw new PipelineError(`cannot make ${directory} (${reasonOf(cause)})`, {
        ...{ code: "not-writable", fix: ADVICE, cause },
      });
    }
    return directory;
  });
}

/** Records a machine that runs in the directory that was claimed for it. */
export async function register(machine: Machine): Promise<void> {
  const path = join(directoryOf(machine.name), "machine.json");
  await writeWhole(path, (partial) => writeFile(partial, JSON.stringify(machine, null, 2)));
}

/**
 * Removes the directory of a machine that has ended; without `machine`, of one that this process has claimed and not
 * started. Where another has taken the name in the meantime, nothing is removed.
 */
export async function unregister(name: string, machine?: Machine): Promise<void> {
  await alone(name, unwatched(), async () => {
    const is = machine
      ? (await read(name))?.process === machine.process
      : (await readClaim(name))?.owner === identityOf(process.pid);
    if (is) await removeDirectory(name);
  });
}

/** What the directory of a name is. */
type Look =
  | { readonly state: "free" | "foreign" | "unreadable" | "starting" | "ended" }
  | { readonly state: "running"; readonly machine: Machine };

async function look(name: string): Promise<Look> {
  const directory = directoryOf(name);
  const there = await lstat(directory).catch((error) => {
    if (errorCode(error) === "ENOENT") return undefined;
    throw cannotRead(machinesDirectory(), error, ADVICE);
  });
  if (!there) return { state: "free" };
  if (!there.isDirectory()) return { state: "foreign" };
  try {
    const files = await readdir(directory);
    const machine = await read(name);
    const claimed = await readClaim(name);
    if (machine?.name === name) {
      if (isRunning(machine.process)) return { state: "running", machine };
      // Who has started it cleans up, or is about to start it again without KVM.
      return { state: ownedByAnother(claimed) ? "starting" : "ended" };
    }
    if (claimed?.name !== name) return { state: "foreign" };
    // Another version wrote it, which alone knows whether the machine runs.
    if (files.includes("machine.json")) return { state: "unreadable" };
    return { state: isRunning(claimed.owner) ? "starting" : "ended" };
  } catch (error) {
    if (error instanceof PipelineError || isFileError(error)) return { state: "unreadable" };
    throw error;
  }
}

const ownedByAnother = (claimed: Claim | undefined) =>
  claimed !== undefined && claimed.owner !== identityOf(process.pid) && isRunning(claimed.owner);

function taken(name: string, state: "foreign" | "unreadable" | "starting" | "running"): PipelineError {
  const why = {
    running: `a machine named ${name} runs: \`smolvm stop ${name}\`, or choose another --name`,
    starting: `a machine named ${name} is being started: choose another --name`,
    foreign: `${directoryOf(name)} is not a machine's directory: choose another --name, or remove it yourself`,
    unreadable: `${directoryOf(name)} cannot be read by this version and user: choose another --name, or remove it yourself`,
  };
  return new PipelineError(why[state], state === "foreign" ? { code: "not-ours" } : {});
}

const read = (name: string) => readRecord(join(directoryOf(name), "machine.json"), Machine);
const readClaim = (name: string) => readRecord(join(directoryOf(name), "claim.json"), Claim);

/** Does `work` while no other process makes or removes the directory of this name. */
const alone = <T>(name: string, run: Run, work: () => Promise<T>): Promise<T> =>
  withLock(join(machinesDirectory(), `.${name}.lock`), run, work, {
    advice: ADVICE,
    waiting: `another process starts or removes ${name}: waiting for it`,
  });

/** What this process makes or removes for a name; no machine is called so. */
const temporary = (name: string, what: "claim" | "removed") =>
  join(machinesDirectory(), `.${name}.${process.pid}.${what}`);
const TEMPORARY = /^\.[a-z0-9][a-z0-9-]{0,40}\.(\d+)\.(claim|removed)$/;

/** The name is free at once; what is left when this process is killed is still known as ours. */
async function removeDirectory(name: string): Promise<void> {
  const removed = temporary(name, "removed");
  await rm(removed, { recursive: true, force: true });
  await rename(directoryOf(name), removed);
  await rm(removed, { recursive: true, force: true });
}

/** The machines that run; what is left of others is removed. @throws PipelineError when nobody can look */
export async function machines(): Promise<Machine[]> {
  const names = (await entriesIn(machinesDirectory(), ADVICE)).map((entry) => entry.name);
  const running: Machine[] = [];
  for (const name of names.filter((each) => NAME.test(each)).sort()) {
    const there = await look(name);
    if (there.state === "running") running.push(there.machine);
    if (there.state === "ended") await removeEnded(name);
  }
  for (const name of names) {
    const pid = TEMPORARY.exec(name)?.[1];
    if (pid && !isAlive(Number(pid))) {
      await rm(join(machinesDirectory(), name), { recursive: true, force: true }).catch(() => {});
    }
  }
  return running;
}

/** Looks again when nobody else can remove it or take the name. What may not be removed here stays. */
async function removeEnded(name: string): Promise<void> {
  try {
    await alone(name, unwatched(), async () => {
      if ((await look(name)).state === "ended") await removeDirectory(name);
    });
  } catch (error) {
    if (!(error instanceof PipelineError) && !isFileError(error)) throw error;
  }
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
