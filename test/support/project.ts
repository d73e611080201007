import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { App } from "../../pipeline/constructs/app.ts";
import { changes, filesIn, write } from "../../pipeline/synth/project.ts";
import { synth } from "../../pipeline/synth/synth.ts";
import type { Kernel } from "../../pipeline/vm/verify.ts";

/** The checkout that the tests belong to. */
export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A project of another team: its own tree, synthesised into a directory of its own. */
export class Project {
  readonly root = mkdtempSync(join(tmpdir(), "smolvm-project-"));

  /** Copies what images are made from, and writes what `declare` says. */
  constructor(declare: (app: App) => void) {
    for (const directory of ["dockerfiles", "init"]) {
      cpSync(join(REPOSITORY, directory), join(this.root, directory), { recursive: true });
    }
    symlinkSync(join(REPOSITORY, "node_modules"), join(this.root, "node_modules"));
    mkdirSync(join(this.root, "out"));
    const app = new App({ files: filesIn(this.root) });
    declare(app);
    write(this.root, changes(this.root, synth(app)));
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** The kernel that a verify stage has fetched into a project's cache. */
export function fetchedKernel(root: string): Kernel {
  const cache = join(root, "out/cache");
  const directory = join(cache, readdirSync(cache).find((name) => name.startsWith("boot-kernel-"))!);
  return { kernel: join(directory, "kernel"), initrd: join(directory, "initrd") };
}

export interface CliOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Called with all of stderr so far, each time there is more. */
  readonly onStderr?: (text: string, pid: number) => void;
}

/** Runs the command line in a project's directory, as npm does. */
export function cli(root: string, args: readonly string[], options: CliOptions = {}): Promise<Ended> {
  const main = join(REPOSITORY, "pipeline/cli/main.ts");
  const child = spawn(process.execPath, ["--import", "tsx", main, ...args], {
    cwd: root,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
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
