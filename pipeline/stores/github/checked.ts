import { createHash } from "node:crypto";
import { Transform, type TransformCallback } from "node:stream";
import { notTheSame } from "../outgoing.ts";
import type { Expected } from "../store.ts";
import { GitHubError } from "./failure.ts";

/**
 * Passes on a file that is copied, and hashes it. The last bytes are held back until all of the file is known to be as
 * expected. An upload of other bytes therefore never becomes complete.
 */
export class Checked extends Transform {
  readonly #expected: Expected;
  readonly #where: string;
  readonly #hash = createHash("sha256");
  #size = 0;
  #last: Buffer | undefined;

  /** @param where the store that has the file, for messages */
  constructor(expected: Expected, where: string) {
    super();
    this.#expected = expected;
    this.#where = where;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, next: TransformCallback): void {
    const { name, size } = this.#expected;
    this.#hash.update(chunk);
    this.#size += chunk.length;
    if (this.#size > size) {
      next(notTheSame(name, this.#where, `more than the ${size} bytes that are recorded`));
      return;
    }
    if (this.#last) this.push(this.#last);
    this.#last = chunk;
    next();
  }

  override _flush(done: TransformCallback): void {
    const { name, size, sha256 } = this.#expected;
    if (this.#size < size) {
      const problem = `the download of ${name} broke off (${this.#size} of ${size} bytes)`;
      const fix = "run the same command again";
      done(new GitHubError(problem, { code: "github-unavailable", fix, transient: true }));
      return;
    }
    const there = this.#hash.digest("hex");
    if (there === sha256) done(null, this.#last);
    else done(notTheSame(name, this.#where, `sha256 ${there}, but ${sha256} is recorded`));
  }
}
