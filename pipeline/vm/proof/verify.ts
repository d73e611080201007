import type { BootFacts } from "../../schema/facts.ts";
import type { Arch } from "../../schema/names.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { type Accel, withAccelerator } from "../accel.ts";
import type { Bus } from "../qemu/arguments.ts";
import { QemuMachine } from "../qemu/machine.ts";
import { LOGIN_MS, openSession, POWER_OFF_MS, powerOff, type Session } from "../session.ts";
import { generateKey, keyParameter, runCommand } from "../ssh.ts";
import { consoleTail } from "../watch.ts";
import { auditGuest } from "./guest-audit.ts";

/** What to do about a login that took too long. */
export const BOOT_TIMEOUT_HINT = "--boot-timeout sets a longer limit";

export interface Kernel {
  readonly kernel: string;
  readonly initrd?: string | undefined;
}

export interface VerifyOptions {
  readonly arch: Arch;
  readonly disk: string;
  readonly kernel: Kernel;
  /** The bus of the machine's devices. @default pci */
  readonly bus?: Bus;
  /** The preset's own check; null for a base. */
  readonly check: { readonly command: readonly string[]; readonly expect: string | null } | null;
  readonly consoleLog: string;
  /** @default SMOLVM_ACCEL, or else what works on this machine */
  readonly accel?: Accel | undefined;
  /** The time limit for the SSH login, and again for the check, ms. @default LOGIN_MS, by accelerator */
  readonly timeoutMs?: number | undefined;
}

export type Verified = Omit<BootFacts, "kernel_sha256">;

/**
 * Boots an image as its users do, logs in with a new key, runs the preset's check, audits the guest and powers off.
 * @throws PipelineError with the console's last lines, the check's output or the audit's findings
 */
export async function verifyBoot(options: VerifyOptions, run: Run): Promise<Verified> {
  return await withAccelerator(options, run, (accel) => bootOnce(options, accel, run));
}

async function bootOnce(options: VerifyOptions, accel: Accel, run: Run): Promise<Verified> {
  const { arch, bus, disk, consoleLog, timeoutMs = LOGIN_MS[accel] } = options;
  const key = generateKey();
  const cmdline = [keyParameter(key.publicKey)];
  const start = (signal: AbortSignal) =>
    QemuMachine.start({ ...options.kernel, arch, accel, bus, disk, cmdline, consoleLog }, signal);
  const session = await openSession({ accel, start, timeoutMs, hint: BOOT_TIMEOUT_HINT }, key, run);
  const { machine, client } = session;
  try {
    const [init, ready] = ["init-start", "init-complete"].map((stage) => machine.console.stageUptime(stage));
    if (init === undefined || ready === undefined) {
      throw new PipelineError(
        "SSH login works, but /init has not printed its marks `init-start` and `init-complete` on the console",
        {
          code: "boot-failed",
          details: consoleTail(machine),
        },
      );
    }
    const check = options.check && (await runCheck(session, options.check, timeoutMs));
    await auditGuest(client, machine.address!.port, session.signal);
    session.signal.throwIfAborted();
    if (!(await powerOff(machine, client, POWER_OFF_MS[accel]))) {
      throw new PipelineError(
        `the machine did not power off within ${POWER_OFF_MS[accel] / 1000} s of SIGTERM to PID 1`,
        { code: "power-off-failed", details: consoleTail(machine) },
      );
    }
    // Under `panic=1` and `-no-reboot`, a kernel that has lost PID 1 ends QEMU too.
    await machine.console.ended;
    if (machine.console.text.includes("Kernel panic")) {
      throw new PipelineError("the kernel panicked while the machine powered off", {
        ...{ code: "power-off-failed", details: consoleTail(machine) },
      });
    }
    const ms = Math.round(session.bootMs + session.loginMs);
    return { vmm: "qemu", accel, ms, init_uptime_s: init, ready_uptime_s: ready, check };
  } finally {
    await machine.destroy();
  }
}

async function runCheck(
  { machine, client, signal }: Session,
  check: NonNullable<VerifyOptions["check"]>,
  timeoutMs: number,
) {
  const command = [...check.command];
  const late = AbortSignal.timeout(timeoutMs);
  const ended = runCommand(client, check.command, AbortSignal.any([signal, late]));
  const { exitCode, output } = await ended.catch((error) => {
    if (!late.aborted || signal.aborted) throw error;
    throw new PipelineError(
      `\`${command.join(" ")}\` did not end within ${timeoutMs / 1000} s in the booted image`,
      { code: "check-failed", details: consoleTail(machine) },
    );
  });
  const printed = output.trim();
  if (exitCode !== 0) {
    throw new PipelineError(
      `\`${command.join(" ")}\` failed in the booted image with exit code ${exitCode}`,
      { code: "check-failed", details: printed.split("\n").map((line) => `  ${line}`) },
    );
  }
  if (check.expect !== null && !printed.includes(check.expect)) {
    throw new PipelineError(
      `\`${command.join(" ")}\` printed "${printed}", but the version in the lockfile is ${check.expect}`,
      { code: "check-failed" },
    );
  }
  return { command, output: printed };
}
