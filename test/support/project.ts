import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { App } from "../../pipeline/constructs/app.ts";
import { readCells } from "../../pipeline/runtime/read-cells.ts";
import type { Arch } from "../../pipeline/schema/names.ts";
import { changes, filesIn, write } from "../../pipeline/synth/project.ts";
import { synth } from "../../pipeline/synth/synth.ts";
import type { Kernel } from "../../pipeline/vm/proof/verify.ts";

/** The checkout that the tests belong to. */
export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
/** The two programs, as they are shipped: support/build.ts has compiled them. */
export const PROGRAM = [process.execPath, join(REPOSITORY, "dist/cli/pipeline/main.js")] as const;
export const SMOLVM = [process.execPath, join(REPOSITORY, "dist/cli/smolvm/main.js")] as const;
const KERNELS = join(REPOSITORY, "out/cache/kernels");

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A project of another team: its own tree, synthesised into a directory of its own. */
export class Project {
  readonly root = mkdtempSync(join(tmpdir(), "smolvm-project-"));
  readonly #declare: (app: App) => void;

  /** Copies what images are made from, adds `files` (texts by path), and writes what `declare` says. */
  constructor(declare: (app: App) => void, files: Readonly<Record<string, string>> = {}) {
    for (const directory of ["dockerfiles", "init"]) {
      cpSync(join(REPOSITORY, directory), join(this.root, directory), { recursive: true });
    }
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.root, path)), { recursive: true });
      writeFileSync(join(this.root, path), text);
    }
    symlinkSync(join(REPOSITORY, "node_modules"), join(this.root, "node_modules"));
    // Kernels are found by their inputs: what the checkout has compiled once serves here.
    mkdirSync(KERNELS, { recursive: true });
    mkdirSync(join(this.root, "out/cache"), { recursive: true });
    symlinkSync(KERNELS, join(this.root, "out/cache/kernels"));
    this.#declare = declare;
    this.synth();
  }

  /** Writes what the tree says of the present files. */
  synth(): void {
    const app = new App({ files: filesIn(this.root) });
    this.#declare(app);
    write(this.root, changes(this.root, synth(app)));
  }

  /** The kernel of an arch, once a cell has needed one; with the probe, it says that it runs and is off again. */
  kernel(arch: Arch): Kernel & { probe: string } {
    const { inputs } = readCells(this.root).cells.find(({ id }) => id === `kernel-${arch}`)!;
    const directory = join(KERNELS, `kernel-${arch}-${inputs.slice(0, 12)}`);
    return { kernel: join(directory, "image"), probe: join(directory, "probe.cpio") };
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

export interface CliOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** A command that runs the command line: another user, another host name. */
  readonly within?: readonly string[];
  /** Called with its process id, as soon as it has one. */
  readonly onStart?: (pid: number) => void;
  /** Called with all of stderr so far, each time there is more. */
  readonly onStderr?: (text: string, pid: number) => void;
}

/** Runs the command line in a project's directory, as npm does. */
export function cli(root: string, args: readonly string[], options: CliOptions = {}): Promise<Ended> {
  return command([...PROGRAM, ...args], { ...options, root });
}

/** Runs the command of users. */
export const smolvm = (args: readonly string[], env: NodeJS.ProcessEnv, options: CliOptions = {}) =>
  command([...SMOLVM, ...args], { ...options, env });

/** Runs a program. */
export function command(line: readonly string[], options: CliOptions & { root?: string }): Promise<Ended> {
  const [program = "", ...words] = [...(options.within ?? []), ...line];
  const child = spawn(program, words, {
    cwd: options.root,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (child.pid !== undefined) options.onStart?.(child.pid);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString("utf8");
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString("utf8");
    options.onStderr?.(stderr, child.pid!);
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode) => resolve({ exitCode, stdout, stderr }));
  });
}
