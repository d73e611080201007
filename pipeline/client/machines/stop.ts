import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import type { Vmm } from "../../schema/names.ts";
import { PipelineError } from "../../util/error.ts";
import { isRunning, pidOf } from "../../util/process.ts";
import type { Run } from "../../util/progress.ts";
import { POWER_OFF_MS, powerOff } from "../../vm/session.ts";
import { attempt } from "../../vm/ssh.ts";
import { DRIVERS } from "../../vm/vmms.ts";
import { directoryOf, keyOf, type Machine, unregister } from "./registry.ts";

const POLL_MS = 50;

export const notOff = (name: string) => `${name} does not power off, so its process is killed`;

/** Powers off a machine that another process started. If it does not power off, kills the VMM. */
export async function stopMachine(machine: Machine, run: Run): Promise<void> {
  if (!(await powersOff(machine, run))) {
    run.progress.warn(notOff(machine.name));
    if (isRunning(machine.process)) process.kill(pidOf(machine.process), "SIGKILL");
  }
  await unregister(machine.name, machine);
}

/** Powers a machine off. Returns false if that fails, without waiting if its VMM has stopped the guest. */
async function powersOff(machine: Machine, run: Run): Promise<boolean> {
  const driver = DRIVERS[machine.vmm as Vmm];
  const attached = await driver?.attach?.(directoryOf(machine.name)).catch(() => undefined);
  const stopped = new AbortController();
  void attached?.failed.then((words) => stopped.abort(new PipelineError(words)));
  const over = new AbortController();
  // The machine's accelerator is not recorded, so use the longest limit.
  const limit = POWER_OFF_MS.tcg;
  const signal = AbortSignal.any([run.signal, stopped.signal, over.signal, AbortSignal.timeout(limit)]);
  try {
    const privateKey = await readFile(keyOf(machine.name));
    const client = await attempt({ host: machine.host, port: machine.port, privateKey }, signal);
    client.on("error", () => {});
    return await powerOff({ exited: ended(machine, signal) }, client, limit);
  } catch (error) {
    run.signal.throwIfAborted();
    run.progress.warn(`${machine.name}: ${(error as Error).message}`);
    return false;
  } finally {
    over.abort();
    attached?.close();
  }
}

/** Resolves when the machine's VMM has ended. */
async function ended({ process: identity }: Machine, signal: AbortSignal): Promise<void> {
  while (isRunning(identity)) await setTimeout(POLL_MS, undefined, { signal });
}
