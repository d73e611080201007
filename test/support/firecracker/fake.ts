import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A program `firecracker` of the tests' own, which ends as soon as it has started its guest: see fake.mjs. */
export class FakeFirecracker {
  /** To be put on PATH. */
  readonly bin: string;
  readonly #log: string;

  /** @param says what its guest prints */
  constructor(directory: string, says: string) {
    this.bin = join(directory, "firecracker-bin");
    this.#log = join(directory, "firecracker-calls");
    mkdirSync(this.bin, { recursive: true });
    const fake = join(import.meta.dirname, "fake.mjs");
    const environment = `FAKE_FIRECRACKER_LOG='${this.#log}' FAKE_FIRECRACKER_SAYS='${says}'`;
    const script = `#!/bin/sh\n${environment} exec "${process.execPath}" "${fake}" "$@"\n`;
    writeFileSync(join(this.bin, "firecracker"), script, { mode: 0o755 });
  }

  /** What was sent last, by path, with the size of its disk; and how many machines were started: `starts`. */
  get calls(): ReadonlyMap<string, unknown> {
    const text = existsSync(this.#log) ? readFileSync(this.#log, "utf8") : "";
    const calls = text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as [string, unknown]);
    return new Map([...calls, ["starts", calls.filter(([path]) => path === "/actions").length]]);
  }
}
