import { PipelineError } from "../schema/error.ts";
import type { BootFacts } from "../schema/facts.ts";
import type { Arch } from "../schema/names.ts";
import type { Run } from "../schema/progress.ts";
import { type Accel, probeAccel } from "./accel.ts";
import { auditGuest } from "./guest-audit.ts";
import { type Bus, QemuMachine } from "./qemu.ts";
import { generateKey, keyParameter, login, runCommand } from "./ssh.ts";

export interface Kernel {
  readonly kernel: string;
  readonly initrd?: string | undefined;
}

export interface VerifyOptions {
  readonly arch: Arch;
  readonly disk: string;
  readonly kernel: Kernel;
  /** Where the machine's devices sit. @default pci */
  readonly bus?: Bus;
  /** The preset's own check; null for a base. */
  readonly check: { readonly command: readonly string[]; readonly expect: string | null } | null;
  readonly consoleLog: string;
  /** How long the guest has until it lets us in, and for the check, ms. @default by accelerator */
  readonly timeoutMs?: number | undefined;
}

/** From start to SSH login, and for the check, ms. Emulation takes about ten times as long as KVM. */
const TIMEOUT_MS = { kvm: 60_000, tcg: 300_000 } as const;
/** A machine that is told to power off has this long, ms. */
const POWER_OFF_MS = { kvm: 5_000, tcg: 20_000 } as const;
/** Enough for a kernel panic with its trace. */
const CONSOLE_LINES = 30;

export type Verified = Omit<BootFacts, "kernel_sha256">;

/**
 * Boots an image as its users do, logs in with a fresh key, runs the preset's check and powers off.
 * @throws PipelineError with the console's last lines
 */
export async function verifyBoot(options: VerifyOptions, run: Run): Promise<Verified> {
  const { accel, why } = await probeAccel(options.arch);
  if (accel === "kvm") {
    try {
      return await bootOnce(options, "kvm", run);
    } catch (error) {
      run.signal.throwIfAborted();
      if (!(error instanceof MachineGone)) throw error;
      run.progress.warn(`KVM is there but broken (${error.message}): falling back to emulation`);
    }
  } else {
    run.progress.warn(`no KVM, because ${why}: QEMU emulates, which is slower`);
  }
  return await bootOnce(options, "tcg", run);
}

/** QEMU ended before the guest was ready. */
class MachineGone extends PipelineError {}

async function bootOnce(options: VerifyOptions, accel: Accel, run: Run): Promise<Verified> {
  const key = generateKey();
  const started = performance.now();
  const machine = await QemuMachine.start({
    ...options.kernel,
    arch: options.arch,
    accel,
    bus: options.bus,
    disk: options.disk,
    cmdline: [keyParameter(key.publicKey)],
    consoleLog: options.consoleLog,
  });
  const tail = () => machine.console.tail(CONSOLE_LINES).map((line) => `  ${line}`);
  const gone = new AbortController();
  void machine.exited.then(() => gone.abort());
  const timeout = options.timeoutMs ?? TIMEOUT_MS[accel];
  const deadline = AbortSignal.timeout(timeout);
  const signal = AbortSignal.any([run.signal, deadline, gone.signal]);
  try {
    // QEMU's network takes a connection before the guest does, and then asks the guest again after 6 s alone.
    await machine.console.waitFor(/SMOLVM_TS stage=ready/, signal);
    const client = await login(machine.address, key, signal);
    const ms = Math.round(performance.now() - started);
    const [init, ready] = ["init", "ready"].map((stage) => machine.console.stageUptime(stage));
    if (init === undefined || ready === undefined)
      throw new PipelineError("the guest let us in, but its console has no mark of init or ready", {
        details: tail(),
      });
    const check = options.check && (await runCheck(client, options.check, signal));
    await auditGuest(client, machine.sshPort!, signal);
    gone.signal.throwIfAborted();
    await powerOff(machine, client, accel, tail);
    return { vmm: "qemu", accel, ms, init_uptime_s: init, ready_uptime_s: ready, check };
  } catch (error) {
    run.signal.throwIfAborted();
    if (error instanceof PipelineError) throw error;
    if (gone.signal.aborted)
      throw new MachineGone("the machine ended before it could be used", { details: tail() });
    if (deadline.aborted) {
      throw new PipelineError(
        `no SSH login within ${timeout / 1000} s of starting the machine; --boot-timeout gives it longer`,
        {
          details: [`the console's last lines (all of it: ${options.consoleLog}):`, ...tail()],
        },
      );
    }
    throw error;
  } finally {
    await machine.destroy();
  }
}

type Client = Awaited<ReturnType<typeof login>>;

async function runCheck(client: Client, check: NonNullable<VerifyOptions["check"]>, signal: AbortSignal) {
  const { exitCode, output } = await runCommand(client, check.command, signal);
  const said = output.trim();
  const command = [...check.command];
  if (exitCode !== 0) {
    throw new PipelineError(
      `\`${command.join(" ")}\` failed in the booted image with exit code ${exitCode}`,
      {
        details: said.split("\n").map((line) => `  ${line}`),
      },
    );
  }
  if (check.expect !== null && !said.includes(check.expect)) {
    throw new PipelineError(
      `\`${command.join(" ")}\` printed "${said}", but the lockfile's version is ${check.expect}`,
    );
  }
  return { command, output: said };
}

/** SIGTERM to PID 1 is how users power a machine off. */
async function powerOff(
  machine: QemuMachine,
  client: Client,
  accel: Accel,
  tail: () => string[],
): Promise<void> {
  const limit = AbortSignal.timeout(POWER_OFF_MS[accel]);
  const off = new Promise<boolean>((resolve) => {
    limit.addEventListener("abort", () => resolve(false), { once: true });
    void machine.exited.then(() => resolve(true));
  });
  runCommand(client, ["kill", "-TERM", "1"], limit).catch(() => {});
  client.on("error", () => {});
  if (!(await off)) {
    throw new PipelineError(
      `the machine did not power off within ${POWER_OFF_MS[accel] / 1000} s of SIGTERM to PID 1`,
      {
        details: tail(),
      },
    );
  }
}
