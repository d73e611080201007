import { PipelineError } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import type { Accel } from "./accel.ts";
import type { Address, Machine } from "./machine.ts";
import { type KeyPair, login, runCommand } from "./ssh.ts";
import { endsWithin, type Watch, watch } from "./watch.ts";

/** From start to login, ms. Emulation takes about ten times as long as KVM. */
export const LOGIN_MS: Record<Accel, number> = { kvm: 60_000, tcg: 300_000 };
/** A machine that is told to power off has this long, ms. */
export const POWER_OFF_MS: Record<Accel, number> = { kvm: 5_000, tcg: 20_000 };
/** Under KVM a guest prints its first line within a fraction of this, ms: a longer silence means that none runs. */
export const SILENCE_MS = 5_000;

export type Client = Awaited<ReturnType<typeof login>>;

export interface BootOptions {
  readonly accel: Accel;
  /** Starts the machine; gives up when `signal` is aborted. */
  readonly start: (signal: AbortSignal) => Promise<Machine>;
  /** How long the guest has until its SSH login, ms. @default LOGIN_MS */
  readonly timeoutMs?: number | undefined;
  /** What a reader can do about a login that took too long. @default nothing is said */
  readonly hint?: string;
  /** Called with the machine as soon as its VMM runs. @default nothing is done */
  readonly onStart?: (machine: Machine) => Promise<void>;
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
  /** Aborted, with the error to throw, when the machine has ended or the work was interrupted. */
  readonly signal: AbortSignal;
}

/**
 * Starts a machine and waits until its `/init` is ready. It is destroyed when that fails.
 * @throws GuestNotRun when the VMM could not run the guest, PipelineError with the console's last lines otherwise
 */
export async function boot(options: BootOptions, run: Run): Promise<Booted> {
  const { accel, timeoutMs = LOGIN_MS[accel], hint } = options;
  const late = `no SSH login within ${timeoutMs / 1000} s of starting the machine (${accel})`;
  const started = performance.now();
  const machine = await options.start(run.signal);
  try {
    await options.onStart?.(machine);
    const watching = watch(machine, {
      deadline: { ms: timeoutMs, message: hint ? `${late}; ${hint}` : late },
      silenceMs: accel === "kvm" ? SILENCE_MS : undefined,
      signal: run.signal,
    });
    await machine.console.waitFor(/SMOLVM_TS stage=ready/, watching.signal);
    return { machine, accel, bootMs: performance.now() - started, watch: watching };
  } catch (error) {
    await machine.destroy();
    throw error;
  }
}

/**
 * Boots a machine and logs in as root. It is destroyed when that fails.
 * @throws GuestNotRun, PipelineError as `boot`
 */
export async function openSession(options: BootOptions, key: KeyPair, run: Run): Promise<Session> {
  const booted = await boot(options, run);
  const { machine, watch: watching } = booted;
  const ready = performance.now();
  try {
    // Not before the guest is ready: QEMU's network accepts a connection at once, and retries the guest only after 6 s.
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
  throw new PipelineError("the machine has no network, and so no SSH");
}

/** Powers a machine off as its users do, by SIGTERM to PID 1. Returns whether its VMM ended within `limitMs`. */
export async function powerOff(
  machine: Pick<Machine, "exited">,
  client: Client,
  limitMs: number,
): Promise<boolean> {
  // The answer may be lost: the machine goes down.
  runCommand(client, ["kill", "-TERM", "1"], AbortSignal.timeout(limitMs)).catch(() => {});
  const ended = await endsWithin(machine, limitMs);
  client.destroy();
  return ended;
}
