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
  /** An initramfs whose PID 1 prints `SMOLVM_PROBE <version>` and powers off. */
  readonly initrd: string;
  readonly consoleLog: string;
  /** @default SMOLVM_ACCEL, or else what works on this machine */
  readonly accel?: Accel | undefined;
}

export interface Probed {
  readonly vmm: "qemu";
  readonly accel: Accel;
  readonly init_uptime_s: number;
}

/** How long a probe may take until PID 1 runs, and again until power off, ms. It takes about one second under emulation. */
const TIMEOUT_MS = 120_000;

/** Boots a kernel with an initramfs that prints a line and powers off. @throws PipelineError with the console's last lines */
export async function probeKernel(options: ProbeOptions, run: Run): Promise<Probed> {
  return await withAccelerator(options, run, (accel) => probeOnce(options, accel, run));
}

async function probeOnce(options: ProbeOptions, accel: Accel, run: Run): Promise<Probed> {
  const machine = await QemuMachine.start({ ...options, accel, network: false, cmdline: [] }, run.signal);
  const watching = watch(machine, {
    deadline: { ms: TIMEOUT_MS, message: `the kernel did not start its PID 1 within ${TIMEOUT_MS / 1000} s` },
    silenceMs: accel === "kvm" ? SILENCE_MS : undefined,
    signal: run.signal,
  });
  try {
    await machine.console.waitFor(/SMOLVM_PROBE Linux version/, watching.signal);
    watching.disarm();
    if (!(await endsWithin(machine, TIMEOUT_MS))) {
      throw new PipelineError(
        `the kernel started its PID 1, but the machine did not power off within ${TIMEOUT_MS / 1000} s`,
        {
          code: "power-off-failed",
          details: consoleTail(machine),
        },
      );
    }
    return { vmm: "qemu", accel, init_uptime_s: machine.console.stageUptime("init")! };
  } finally {
    watching.disarm();
    await machine.destroy();
  }
}
