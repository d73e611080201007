import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ZSTD_WINDOW_LOG } from "../../schema/defaults.ts";
import { SourceError } from "../../util/download/source.ts";
import { errorCode } from "../../util/error.ts";
import { zstdMissing } from "../unpack.ts";

/**
 * What a stream of zstd frames unpacks to, by one `zstd` process. Little of it is in memory, however much it unpacks to.
 */
export class Unpacked {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #fed: Promise<void>;
  readonly #ended: Promise<unknown>;
  #rest: Buffer = Buffer.alloc(0);
  /** Why the frames could not be read, or the process not started. */
  #failure: unknown;
  #said = "";

  constructor(frames: AsyncIterable<Uint8Array>) {
    const child = spawn("zstd", ["-d", "-q", "-c", `--long=${ZSTD_WINDOW_LOG}`, "-"], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child = child;
    child.on("error", (error) => {
      this.#failure ??= errorCode(error) === "ENOENT" ? zstdMissing() : error;
    });
    child.stderr.on("data", (chunk: Buffer) => {
      this.#said = `${this.#said}${chunk.toString("utf8")}`.slice(-1000);
    });
    this.#ended = once(child, "close").catch(() => {});
    this.#chunks = child.stdout[Symbol.asyncIterator]();
    this.#fed = pipeline(Readable.from(frames, { objectMode: false }), child.stdin).catch((error) => {
      // The process ended before it had read everything: what it said is the reason.
      if (!CLOSED.has(errorCode(error))) this.#failure ??= error;
      child.kill("SIGKILL");
    });
  }

  /**
   * Fills a buffer with the next bytes.
   * @throws SourceError if there are not so many; the error of reading the frames, if that failed
   */
  async fill(buffer: Buffer): Promise<void> {
    for (let done = 0; done < buffer.length; ) {
      const chunk = this.#rest.length > 0 ? this.#rest : await this.#next();
      if (!chunk) throw await this.#reason();
      const taken = chunk.copy(buffer, done);
      this.#rest = chunk.subarray(taken);
      done += taken;
    }
  }

  /** Checks that everything was read. @throws SourceError if there is more */
  async end(): Promise<void> {
    if (this.#rest.length > 0 || (await this.#next()))
      throw new SourceError("it unpacks to more than its table says");
    await this.#ended;
    if (this.#failure || this.#child.exitCode !== 0) throw await this.#reason();
  }

  /** Ends the process, and the reading of the frames. */
  async close(): Promise<void> {
    this.#child.kill("SIGKILL");
    // Node waits with the end of a process until all that it wrote is read.
    this.#child.stdout.destroy();
    await this.#fed;
    await this.#ended;
  }

  async #next(): Promise<Buffer | undefined> {
    const next = await this.#chunks.next();
    return next.done ? undefined : next.value;
  }

  /** Why there is nothing more to read. */
  async #reason(): Promise<unknown> {
    await this.#fed;
    await this.#ended;
    if (this.#failure !== undefined) return this.#failure;
    const said = this.#said.trim().split("\n").at(-1);
    if (said) return new SourceError(`zstd cannot unpack its frames (${said})`);
    return new SourceError("it unpacks to less than its table says");
  }
}

/** The codes of a stream that was closed by its reader. */
const CLOSED = new Set<string | undefined>(["EPIPE", "ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED"]);
