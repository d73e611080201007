import { PipelineError } from "../util/error.ts";
import { GuestNotRun, type Machine } from "./machine.ts";

/** Enough for a kernel panic with its trace. */
const CONSOLE_LINES = 30;

export interface WatchOptions {
  /** How long what is waited for may take, ms, and the error's text when it took longer. */
  readonly deadline: { readonly ms: number; readonly message: string };
  /** How long the console may stay empty, ms. @default as long as the deadline */
  readonly silenceMs?: number | undefined;
  /** Aborted when the work as a whole is interrupted. */
  readonly signal: AbortSignal;
}

/** What ends every wait for a guest. */
export interface Watch {
  /**
   * Aborted, with the error to throw as its reason, when there is nothing left to wait for: the VMM has ended or stopped the
   * guest, the deadline has passed, or the work was interrupted.
   */
  readonly signal: AbortSignal;
  /** Lifts the deadline: what was waited for has come. */
  disarm(): void;
}

/** The end of the console, as lines for an error. */
export function consoleTail({ console }: Pick<Machine, "console">): string[] {
  const lines = console.tail(CONSOLE_LINES);
  if (lines.length === 0) return ["its console is empty"];
  return ["the console's last lines:", ...lines.map((line) => `  ${line}`)];
}

/** A guest that has printed something ran, and ended by itself. */
export function endedTooEarly(machine: Pick<Machine, "console">, said?: string): PipelineError {
  const message = "the machine ended before it could be used";
  if (machine.console.text === "")
    return new GuestNotRun(said ?? `${message}, and its guest printed nothing`);
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
  void machine.failed.then((words) => own.abort(new GuestNotRun(words, { details: consoleTail(machine) })));
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
