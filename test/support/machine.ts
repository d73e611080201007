import { withAccelerator } from "../../pipeline/vm/accel.ts";
import type { QemuOptions } from "../../pipeline/vm/qemu/arguments.ts";
import { QemuMachine } from "../../pipeline/vm/qemu/machine.ts";
import { SILENCE_MS } from "../../pipeline/vm/session.ts";
import { watch } from "../../pipeline/vm/watch.ts";
import { recordedRun } from "./run.ts";

/** Long enough for a boot under emulation beside other work, ms. */
const PATIENCE_MS = 240_000;

/** Starts a machine with the accelerator that works here, and returns it as soon as its guest has printed something. */
export function startMachine(options: Omit<QemuOptions, "accel">): Promise<QemuMachine> {
  const run = recordedRun();
  return withAccelerator(options, run, async (accel) => {
    const machine = await QemuMachine.start({ ...options, accel }, run.signal);
    const watching = watch(machine, {
      deadline: { ms: PATIENCE_MS, message: "the guest has printed nothing" },
      silenceMs: accel === "kvm" ? SILENCE_MS : undefined,
      signal: run.signal,
    });
    try {
      await machine.console.waitFor(/\S/, watching.signal);
      return machine;
    } catch (error) {
      await machine.destroy();
      throw error;
    } finally {
      watching.disarm();
    }
  });
}
