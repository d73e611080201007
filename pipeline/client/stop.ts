import { readFile, rm } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { isRunning, pidOf } from "../schema/process.ts";
import type { Run } from "../schema/progress.ts";
import { attempt, runCommand } from "../vm/ssh.ts";
import { directoryOf, keyOf, type Machine } from "./registry.ts";

/** A machine that is told to power off has this long, ms. */
const POWER_OFF_MS = 20_000;
const POLL_MS = 50;

/** Powers a machine off that another process has started: cleanly if it can, else at once. */
export async function stopMachine(machine: Machine, run: Run): Promise<void> {
  const limit = AbortSignal.any([run.signal, AbortSignal.timeout(POWER_OFF_MS)]);
  try {
    const privateKey = await readFile(keyOf(machine.name));
    const client = await attempt({ host: machine.host, port: machine.port, privateKey }, limit);
    client.on("error", () => {});
    // The answer may be lost: the machine goes down.
    runCommand(client, ["kill", "-TERM", "1"], limit).catch(() => {});
    while (isRunning(machine.process)) await setTimeout(POLL_MS, undefined, { signal: limit });
    client.destroy();
  } catch {
    run.signal.throwIfAborted();
    run.progress.warn(`${machine.name} does not power off: it is switched off`);
    if (isRunning(machine.process)) process.kill(pidOf(machine.process), "SIGKILL");
  }
  await rm(directoryOf(machine.name), { recursive: true, force: true });
}
