import type { Arch } from "../../schema/names.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { type Accel, withAccelerator } from "../accel.ts";
import type { Bus } from "../qemu/arguments.ts";
import { QemuMachine } from "../qemu/machine.ts";
import { SILENCE_MS } from "../session.ts";
import { consoleTail, endsWithin, watch } from "../watch.ts";

export interface ProbeOptions {
  readonly arch: Arch;
  readonly bus: Bus;
  readonly kernel: string;
  /** An initramfs whose PID 1 says `SMOLVM_PROBE <version>` and powers off. */
  readonly initrd: string;
  readonly consoleLog: string;
  /** @default what works here, or SMOLVM_ACCEL */
  readonly accel?: Accel | undefined;
}

export interface Probed {
  readonly vmm: "qemu";
  readonly accel: Accel;
  readonly init_uptime_s: number;
}

/** From start to power off, ms: a probe takes about a second under emulation. */
const TIMEOUT_MS = 120_000;

/** Boots a kernel up to a PID 1 that says so and powers off. @throws PipelineError with the console's end */
export async function probeKernel(options: ProbeOptions, run: Run): Promise<Probed> {
  return await withAccelerator(options, run, (accel) => probeOnce(options, accel, run));
}

async function probeOnce(options: ProbeOptions, accel: Accel, run: Run): Promise<Probed> {
  const machine = await QemuMachine.start({ ...options, accel, network: false, cmdline: [] }, run.signal);
  const watching = watch(machine, {
    deadline: { ms: TIMEOUT_MS, message: "the kernel did not reach its PID 1" },
    silenceMs: accel === "kvm" ? SILENCE_MS : undefined,
    signal: run.signal,
  });
  try {
    await machine.console.waitFor(/SMOLVM_PROBE Linux version/, watching.signal);
    watching.disarm();
    if (!(await endsWithin(machine, TIMEOUT_MS))) {
      throw new PipelineError(`PID 1 ran, but the machine was not off after ${TIMEOUT_MS / 1000} s`, {
        code: "power-off-failed",
        details: consoleTail(machine),
      });
    }
    return { vmm: "qemu", accel, init_uptime_s: machine.console.stageUptime("init")! };
  } finally {
    watching.disarm();
    await machine.destroy();
  }
}
