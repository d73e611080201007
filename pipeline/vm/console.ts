import type { Readable, Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** How much of a console's end is kept in memory, characters. */
const KEPT = 256 * 1024;

/** What a guest prints on its serial console: kept in a file, and at hand for whoever waits for a line. */
export class Console {
  #text = "";
  readonly #listeners = new Set<() => void>();

  constructor(input: Readable, log: Writable) {
    input.pipe(log);
    // A character may come in two chunks.
    const decoder = new StringDecoder("utf8");
    input.on("data", (chunk: Buffer) => {
      this.#text = (this.#text + decoder.write(chunk)).slice(-KEPT);
      for (const listener of this.#listeners) listener();
    });
  }

  get text(): string {
    return this.#text;
  }

  /** The last lines that hold something, for an error. */
  tail(lines: number): string[] {
    return this.#text
      .split(/\r?\n/)
      .map((line) => line.trimEnd())
      .filter((line) => line)
      .slice(-lines);
  }

  /** The uptime, seconds, at which `/init` reached a stage; undefined when it has not. */
  stageUptime(stage: string): number | undefined {
    const mark = new RegExp(`SMOLVM_TS stage=${stage} uptime_s=([0-9.]+)`).exec(this.#text)?.[1];
    return mark === undefined ? undefined : Number(mark);
  }

  /** Resolves with the first match of `pattern`, which may have been printed already; rejects on abort. */
  waitFor(pattern: RegExp, signal: AbortSignal): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(this.#text);
        if (!match) return;
        stop();
        resolve(match);
      };
      const abort = () => {
        stop();
        reject(signal.reason as Error);
      };
      const stop = () => {
        this.#listeners.delete(look);
        signal.removeEventListener("abort", abort);
      };
      if (signal.aborted) return abort();
      signal.addEventListener("abort", abort, { once: true });
      this.#listeners.add(look);
      look();
    });
  }
}
