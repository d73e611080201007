import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { EMULATORS } from "../../../pipeline/vm/accel.ts";

/** What the fake does under an accelerator: see fake.mjs; or the path of a real QEMU. */
export type FakeMode =
  | "run"
  | "probe"
  | "internal-error"
  | "io-error"
  | "refuse"
  | "stays"
  | "silent"
  | "hang"
  | "panic"
  | "no-device"
  | `/${string}`;

/** An environment in which QEMU is the tests' own, and HOME an empty directory below `directory`. */
export class FakeQemu {
  readonly env: NodeJS.ProcessEnv;
  readonly #log: string;

  constructor(
    directory: string,
    modes: { readonly kvm: FakeMode; readonly tcg?: FakeMode; readonly withoutConsole?: FakeMode },
  ) {
    const bin = join(directory, "bin");
    const home = join(directory, "home");
    this.#log = join(directory, "started");
    for (const path of [bin, home]) mkdirSync(path, { recursive: true });
    const script = `#!/bin/sh\nexec "${process.execPath}" "${join(import.meta.dirname, "fake.mjs")}" "$@"\n`;
    for (const { program } of Object.values(EMULATORS)) {
      writeFileSync(join(bin, program), script, { mode: 0o755 });
    }
    this.env = {
      PATH: `${bin}${delimiter}${process.env.PATH}`,
      HOME: home,
      SMOLVM_ACCEL: "",
      FAKE_QEMU_KVM: modes.kvm,
      FAKE_QEMU_TCG: modes.tcg ?? "run",
      FAKE_QEMU_WITHOUT_CONSOLE: modes.withoutConsole ?? "",
      FAKE_QEMU_LOG: this.#log,
    };
  }

  /** The accelerator of each start so far, and that a guest was told to power off where it does not. */
  get started(): string[] {
    if (!existsSync(this.#log)) return [];
    return readFileSync(this.#log, "utf8").trim().split("\n");
  }
}
