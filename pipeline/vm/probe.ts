import { PipelineError } from "../schema/error.ts";
import type { Arch } from "../schema/names.ts";
import type { Run } from "../schema/progress.ts";
import { type Accel, probeAccel } from "./accel.ts";
import { type Bus, QemuMachine } from "./qemu.ts";

export interface ProbeOptions {
  readonly arch: Arch;
  readonly bus: Bus;
  readonly kernel: string;
  /** An initramfs whose PID 1 says `SMOLVM_PROBE <version>` and powers off. */
  readonly initrd: string;
  readonly consoleLog: string;
}

export interface Probed {
  readonly vmm: "qemu";
  readonly accel: Accel;
  readonly init_uptime_s: number;
}

/** From start to power off, ms: a probe takes about a second under emulation. */
const TIMEOUT_MS = 120_000;
const CONSOLE_LINES = 30;

/** Boots a kernel up to a PID 1 that says so and powers off. @throws PipelineError with the console's end */
export async function probeKernel(options: ProbeOptions, run: Run): Promise<Probed> {
  const { accel } = await probeAccel(options.arch);
  const machine = await QemuMachine.start({ ...options, accel, network: false, cmdline: [] });
  const deadline = AbortSignal.timeout(TIMEOUT_MS);
  const stop = AbortSignal.any([run.signal, deadline]);
  try {
    await Promise.race([machine.exited, new Promise((resolve) => stop.addEventListener("abort", resolve))]);
    run.signal.throwIfAborted();
    const init = machine.console.stageUptime("init");
    if (init === undefined || deadline.aborted || !/SMOLVM_PROBE Linux version/.test(machine.console.text)) {
      throw new PipelineError(
        init === undefined
          ? "the kernel did not reach its PID 1"
          : `PID 1 ran, but the machine was not off after ${TIMEOUT_MS / 1000} s`,
        { details: machine.console.tail(CONSOLE_LINES).map((line) => `  ${line}`) },
      );
    }
    return { vmm: "qemu", accel, init_uptime_s: init };
  } finally {
    await machine.destroy();
  }
}
