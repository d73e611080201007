import { PipelineError } from "../util/error.ts";
import { GuestNotRun, type Machine } from "./machine.ts";

/** How many of the console's last lines an error shows: enough for a kernel panic with its trace. */
const CONSOLE_LINES = 30;

export interface WatchOptions {
  /** The time limit, ms, and the error's message when it has passed. */
  readonly deadline: { readonly ms: number; readonly message: string };
  /** How long the console may stay empty, ms. @default no limit before the deadline */
  readonly silenceMs?: number | undefined;
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal;
}

/** Watches a machine while code waits for its guest. */
export interface Watch {
  /**
   * Aborted, with the error to throw as its reason, when waiting is useless: the VMM has ended or stopped the guest, the
   * deadline has passed, or the user interrupts.
   */
  readonly signal: AbortSignal;
  /** Cancels the deadline and the limit of an empty console. */
  disarm(): void;
}

/** The console's last lines, for the details of an error. */
export function consoleTail({ console }: Pick<Machine, "console">): string[] {
  const lines = console.tail(CONSOLE_LINES);
  if (lines.length === 0) return ["the console is empty"];
  return ["the console's last lines:", ...lines.map((line) => `  ${line}`)];
}

/**
 * The error for a machine that ended too early. If its guest printed nothing, it never ran: a GuestNotRun.
 * @param reason the message of that GuestNotRun. @default that the guest printed nothing
 */
export function endedTooEarly(machine: Pick<Machine, "console">, reason?: string): PipelineError {
  const message = "the machine ended before it could be used";
  if (machine.console.text === "")
    return new GuestNotRun(reason ?? `${message}, and its guest printed nothing`);
  return new PipelineError(message, { code: "boot-failed", details: consoleTail(machine) });
}

/** Watches a machine that has just been started. */
export function watch(machine: Machine, { deadline, silenceMs, signal }: WatchOptions): Watch {
  const own = new AbortController();
  const timers = [
    setTimeout(
      () =>
        own.abort(
          new PipelineError(deadline.message, { code: "boot-timeout", details: consoleTail(machine) }),
        ),
      deadline.ms,
    ),
    ...(silenceMs === undefined ? [] : [setTimeout(silent, silenceMs)]),
  ];
  const disarm = () => timers.forEach(clearTimeout);
  function silent(): void {
    if (machine.console.text !== "") return;
    own.abort(new GuestNotRun(`the guest printed nothing within ${silenceMs! / 1000} s`));
  }
  void machine.failed.then((message) =>
    own.abort(new GuestNotRun(message, { details: consoleTail(machine) })),
  );
  void machine.exited.then(async () => {
    await machine.console.ended;
    own.abort(endedTooEarly(machine));
  });
  const all = AbortSignal.any([signal, own.signal]);
  all.addEventListener("abort", disarm, { once: true });
  return { signal: all, disarm };
}

/** Whether the VMM's process ends within `ms`. */
export async function endsWithin({ exited }: Pick<Machine, "exited">, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const ended = await Promise.race([exited.then(() => true), late]);
  clearTimeout(timer);
  return ended;
}
