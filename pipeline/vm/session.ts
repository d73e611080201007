import { PipelineError } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import type { Accel } from "./accel.ts";
import type { Address, Machine } from "./machine.ts";
import { type KeyPair, login, runCommand, sshAnswers } from "./ssh.ts";
import { endsWithin, type Watch, watch } from "./watch.ts";

/** The time limit from the start of a machine to the SSH login, ms. Emulation takes about ten times as long as KVM. */
export const LOGIN_MS: Record<Accel, number> = { kvm: 60_000, tcg: 300_000 };
/** The time limit for a power-off, ms. */
export const POWER_OFF_MS: Record<Accel, number> = { kvm: 5_000, tcg: 20_000 };
/** How long the console may stay empty under KVM, ms. A guest that runs prints its first line much sooner. */
export const SILENCE_MS = 5_000;

export type Client = Awaited<ReturnType<typeof login>>;

export interface BootOptions {
  readonly accel: Accel;
  /** Starts the machine; rejects if `signal` is aborted. */
  readonly start: (signal: AbortSignal) => Promise<Machine>;
  /** The time limit for the SSH login, ms. @default LOGIN_MS, by accelerator */
  readonly timeoutMs?: number | undefined;
  /** What to do about a login that took too long; the end of the error's message. @default none */
  readonly hint?: string;
  /** Called with the machine as soon as its VMM runs. @default none */
  readonly onStart?: (machine: Machine) => Promise<void>;
  /** Whether `/init` says on the console that it is ready. Otherwise the guest is ready when its SSH server answers. @default true */
  readonly hasConsole?: boolean;
}

/** A machine whose `/init` is ready. */
export interface Booted {
  readonly machine: Machine;
  readonly accel: Accel;
  /** From the start of the VMM until `/init` was ready, ms. */
  readonly bootMs: number;
  readonly watch: Watch;
}

/** A machine with a login as root. */
export interface Session extends Omit<Booted, "watch"> {
  readonly client: Client;
  /** From the moment `/init` was ready until the login, ms. */
  readonly loginMs: number;
  /** Aborted, with the error to throw as its reason, when the machine has ended or the user interrupts. */
  readonly signal: AbortSignal;
}

/**
 * Starts a machine and waits until its `/init` is ready. Destroys the machine if that fails.
 * @throws GuestNotRun if the VMM could not run the guest; otherwise PipelineError with the console's last lines
 */
export async function boot(options: BootOptions, run: Run): Promise<Booted> {
  const { accel, timeoutMs = LOGIN_MS[accel], hint, hasConsole = true } = options;
  const late = `no SSH login within ${timeoutMs / 1000} s of starting the machine (${accel})`;
  const started = performance.now();
  const machine = await options.start(run.signal);
  try {
    await options.onStart?.(machine);
    const watching = watch(machine, {
      deadline: { ms: timeoutMs, message: hint ? `${late}; ${hint}` : late },
      silenceMs: accel === "kvm" && hasConsole ? SILENCE_MS : undefined,
      signal: run.signal,
    });
    if (hasConsole) await machine.console.waitFor(/SMOLVM_TS stage=init-complete /, watching.signal);
    else await sshAnswers(addressOf(machine), watching.signal);
    return { machine, accel, bootMs: performance.now() - started, watch: watching };
  } catch (error) {
    await machine.destroy();
    throw error;
  }
}

/**
 * Boots a machine and logs in as root. Destroys the machine if that fails.
 * @throws GuestNotRun, PipelineError as `boot` does; PipelineError if the guest refuses the key
 */
export async function openSession(options: BootOptions, key: KeyPair, run: Run): Promise<Session> {
  const booted = await boot(options, run);
  const { machine, watch: watching } = booted;
  const ready = performance.now();
  try {
    // Only when the guest is ready: QEMU's network accepts a connection at once, but retries the guest only after 6 s.
    const client = await login(addressOf(machine), key, watching.signal);
    client.on("error", () => {});
    watching.disarm();
    return { ...booted, client, loginMs: performance.now() - ready, signal: watching.signal };
  } catch (error) {
    await machine.destroy();
    throw error;
  }
}

function addressOf({ address }: Machine): Address {
  if (address) return address;
  throw new PipelineError("the machine has no network, so SSH cannot reach it");
}

/** Powers a machine off with SIGTERM to PID 1. Returns whether its VMM ended within `limitMs`. */
export async function powerOff(
  machine: Pick<Machine, "exited">,
  client: Client,
  limitMs: number,
): Promise<boolean> {
  // The connection may break before the command returns, because the machine powers off.
  runCommand(client, ["kill", "-TERM", "1"], AbortSignal.timeout(limitMs)).catch(() => {});
  const ended = await endsWithin(machine, limitMs);
  client.destroy();
  return ended;
}
