import { open } from "node:fs/promises";
import { Readable, type Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { setTimeout } from "node:timers/promises";

/** How much of the console's output is kept in memory, characters: the last part. */
const KEPT = 256 * 1024;

/** The output of a guest's serial console. It is written to a log file, and code can wait for a line of it. */
export class Console {
  #text = "";
  readonly #listeners = new Set<() => void>();
  readonly #input: Readable;
  /** Resolves when all output has been received. */
  readonly ended: Promise<void>;

  /** @param log the log file; omit it if `input` is read from the log file. @default none */
  constructor(input: Readable, log?: Writable) {
    this.#input = input;
    this.ended = new Promise((resolve) => input.once("close", resolve));
    // The machine keeps running if its log cannot be written (for example because the disk is full).
    if (log) input.pipe(log).on("error", () => {});
    // A character's bytes may be split between two chunks.
    const decoder = new StringDecoder("utf8");
    input.on("data", (chunk: Buffer) => {
      this.#text = (this.#text + decoder.write(chunk)).slice(-KEPT);
      for (const listener of this.#listeners) listener();
    });
  }

  /** Stops reading. */
  close(): void {
    this.#input.destroy();
  }

  get text(): string {
    return this.#text;
  }

  /** The last lines that are not empty, for an error. */
  tail(lines: number): string[] {
    return this.#text
      .split(/\r?\n/)
      .map((line) => line.trimEnd())
      .filter((line) => line)
      .slice(-lines);
  }

  /** The uptime at which `/init` reached a stage, seconds; undefined if it has not. */
  stageUptime(stage: string): number | undefined {
    const mark = new RegExp(`SMOLVM_TS stage=${stage} (?:epoch_s=\\S+ )?uptime_s=([0-9.]+)`).exec(
      this.#text,
    )?.[1];
    return mark === undefined ? undefined : Number(mark);
  }

  /** Resolves with the first match of `pattern`, also in earlier output. Rejects on abort. */
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

/** How often a growing file is read, ms. */
const FOLLOW_MS = 20;

/** Streams the content of a file that another process writes, from its beginning until `ended` resolves. */
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
