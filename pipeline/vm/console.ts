import { open } from "node:fs/promises";
import { Readable, type Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { setTimeout } from "node:timers/promises";

/** How much of a console's end is kept in memory, characters. */
const KEPT = 256 * 1024;

/** What a guest prints on its serial console: kept in a file, and at hand for whoever waits for a line. */
export class Console {
  #text = "";
  readonly #listeners = new Set<() => void>();
  readonly #input: Readable;
  /** Resolves when all has been heard that there was to hear. */
  readonly ended: Promise<void>;

  /** `log` is where it is kept, if it is not there already. */
  constructor(input: Readable, log?: Writable) {
    this.#input = input;
    this.ended = new Promise((resolve) => input.once("close", resolve));
    // A log that cannot be written (a full disk) is no reason to end the machine.
    if (log) input.pipe(log).on("error", () => {});
    // A character may come in two chunks.
    const decoder = new StringDecoder("utf8");
    input.on("data", (chunk: Buffer) => {
      this.#text = (this.#text + decoder.write(chunk)).slice(-KEPT);
      for (const listener of this.#listeners) listener();
    });
  }

  /** Stops listening. */
  close(): void {
    this.#input.destroy();
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

/** How often a file is looked at that grows, ms. */
const FOLLOW_MS = 20;

/** What is written to a file from now on, until `ended`. */
export function follow(path: string, ended: Promise<unknown>): Readable {
  let more = true;
  void ended.then(() => {
    more = false;
  });
  async function* chunks() {
    await using file = await open(path);
    const buffer = Buffer.alloc(1 << 16);
    for (let last = false; ; last = !more) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead > 0) yield Buffer.from(buffer.subarray(0, bytesRead));
      else if (last) return;
      else await setTimeout(FOLLOW_MS);
    }
  }
  return Readable.from(chunks(), { objectMode: false });
}
