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

/** `machine.json` in a machine's directory: the record of a running machine. */
const Machine = z.strictObject({
  schema_version: z.literal(1),
  name: z.string(),
  /** The VMM's process, from `identityOf`. */
  process: z.string(),
  vmm: z.string(),
  image: z.string(),
  flavor: z.string(),
  /** The address and the port of its SSH server, from the host. */
  host: z.string(),
  port: z.int().positive(),
  rootfs: z.string(),
  started_at: z.string(),
});
/** A machine that `start` has started, as it is recorded in `~/.smolvm/machines`. */
export type Machine = z.infer<typeof Machine>;

/** The directory of all machines: SMOLVM_MACHINES, or ~/.smolvm/machines. */
const machinesDirectory = (): string => process.env.SMOLVM_MACHINES || join(homedir(), ".smolvm", "machines");

export const directoryOf = (name: string): string => join(machinesDirectory(), name);
/** The path of the private key for root's login in a machine. The public key is at `<path>.pub`. */
export const keyOf = (name: string): string => join(directoryOf(name), "key");

/** `claim.json`, which every machine's directory has from the beginning. A directory without it is never touched. */
const Claim = z.strictObject({
  schema_version: z.literal(1),
  name: z.string(),
  /** The process that starts the machine, from `identityOf`. */
  owner: z.string(),
});
type Claim = z.infer<typeof Claim>;

const NAME = /^[a-z0-9][a-z0-9-]{0,40}$/;
const ADVICE = "choose another directory with SMOLVM_MACHINES";

function checkForm(name: string): void {
  if (NAME.test(name)) return;
  throw new PipelineError(`machine name "${name}" is not valid`, {
    fix: 'use at most 41 lower-case letters, digits and "-", and begin with a letter or digit',
  });
}

/** Checks that a name is valid and free. (`claim` checks again under a file lock.) @throws PipelineError if it is not */
export async function checkMachineName(name: string): Promise<void> {
  checkForm(name);
  const { state } = await stateOf(name);
  if (state !== "free" && state !== "ended") throw taken(name, state);
}

/**
 * Makes the directory of a new machine, with its claim, in one step. The directory of an ended machine of this name is
 * removed first; nothing else is removed.
 * @throws PipelineError if the name is taken, or the directory cannot be made
 */
export async function claim(name: string, run: Run = unwatched()): Promise<string> {
  checkForm(name);
  await makeDirectory(machinesDirectory(), ADVICE);
  return await withNameLock(name, run, async () => {
    const directory = directoryOf(name);
    const there = await stateOf(name);
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

/** Records a running machine in its claimed directory. */
export async function register(machine: Machine): Promise<void> {
  const path = join(directoryOf(machine.name), "machine.json");
  await writeWhole(path, (partial) => writeFile(partial, JSON.stringify(machine, null, 2)));
}

/**
 * Removes the directory of an ended machine or, without `machine`, one that this process has claimed. Does nothing if
 * the directory now belongs to another machine.
 */
export async function unregister(name: string, machine?: Machine): Promise<void> {
  await withNameLock(name, unwatched(), async () => {
    const ours = machine
      ? (await read(name))?.process === machine.process
      : (await readClaim(name))?.owner === identityOf(process.pid);
    if (ours) await removeDirectory(name);
  });
}

/** The state of the directory of a name. */
type DirectoryState =
  | { readonly state: "free" | "foreign" | "unreadable" | "starting" | "ended" }
  | { readonly state: "running"; readonly machine: Machine };

async function stateOf(name: string): Promise<DirectoryState> {
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
      // If the process that started it still runs, it cleans up, or starts the machine again without KVM.
      return { state: ownedByAnother(claimed) ? "starting" : "ended" };
    }
    if (claimed?.name !== name) return { state: "foreign" };
    // Another version wrote the record, so this one cannot tell whether the machine runs.
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
    running: `a machine named ${name} is running: stop it with \`smolvm stop ${name}\`, or choose another --name`,
    starting: `a machine named ${name} is starting: choose another --name`,
    foreign: `${directoryOf(name)} is not the directory of a machine: choose another --name, or remove it yourself`,
    unreadable: `${directoryOf(name)} was written by another version, or this user cannot read it: choose another --name, or remove it yourself`,
  };
  return new PipelineError(why[state], state === "foreign" ? { code: "not-ours" } : {});
}

const read = (name: string) => readRecord(join(directoryOf(name), "machine.json"), Machine);
const readClaim = (name: string) => readRecord(join(directoryOf(name), "claim.json"), Claim);

/** Does `work` under a file lock, so that no other process makes or removes the directory of this name. */
const withNameLock = <T>(name: string, run: Run, work: () => Promise<T>): Promise<T> =>
  withLock(join(machinesDirectory(), `.${name}.lock`), run, work, {
    advice: ADVICE,
    waiting: `another process is starting or removing ${name}: waiting for it`,
  });

/** The path of a temporary directory of this process. Its name is not a valid machine name. */
const temporary = (name: string, what: "claim" | "removed") =>
  join(machinesDirectory(), `.${name}.${process.pid}.${what}`);
const TEMPORARY = /^\.[a-z0-9][a-z0-9-]{0,40}\.(\d+)\.(claim|removed)$/;

/**
 * Renames the directory before removing it, so that the name is free at once. If this process is killed, `machines`
 * removes the rest.
 */
async function removeDirectory(name: string): Promise<void> {
  const removed = temporary(name, "removed");
  await rm(removed, { recursive: true, force: true });
  await rename(directoryOf(name), removed);
  await rm(removed, { recursive: true, force: true });
}

/**
 * The running machines. Removes directories of ended machines. @throws PipelineError if the directory of machines cannot
 * be read
 */
export async function machines(): Promise<Machine[]> {
  const names = (await entriesIn(machinesDirectory(), ADVICE)).map((entry) => entry.name);
  const running: Machine[] = [];
  for (const name of names.filter((each) => NAME.test(each)).sort()) {
    const there = await stateOf(name);
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

/** Checks again under the file lock, and removes the directory. If this user may not remove it, it stays. */
async function removeEnded(name: string): Promise<void> {
  try {
    await withNameLock(name, unwatched(), async () => {
      if ((await stateOf(name)).state === "ended") await removeDirectory(name);
    });
  } catch (error) {
    if (!(error instanceof PipelineError) && !isFileError(error)) throw error;
  }
}

/** The running machine of a name. @throws PipelineError that lists the running machines, if there is none of that name */
export async function machineNamed(name: string): Promise<Machine> {
  const all = await machines();
  const machine = all.find((each) => each.name === name);
  if (machine) return machine;
  if (all.length === 0)
    throw new PipelineError("no machine is running", {
      code: "unknown-name",
      fix: "start one with `smolvm create --keep`",
    });
  throw unknownName(
    "machine",
    name,
    all.map((each) => each.name),
  );
}

/** The paths of the root file systems that running machines were started from. */
export async function usedByMachines(): Promise<Set<string>> {
  return new Set((await machines()).map(({ rootfs }) => rootfs));
}
