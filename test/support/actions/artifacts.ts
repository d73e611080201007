import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** The artifacts of one run of a workflow: a directory each, as actions/upload-artifact lays them out. */
export class Artifacts {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get names(): string[] {
    return existsSync(this.#directory) ? readdirSync(this.#directory).sort() : [];
  }

  /** Where the files of an artifact are. */
  path(name: string): string {
    return join(this.#directory, name);
  }

  /** Takes the files that `patterns` (a line each) match below `workspace`. Returns how many. */
  upload(name: string, patterns: string, workspace: string, overwrite: boolean): number {
    const target = this.path(name);
    if (existsSync(target) && !overwrite)
      throw new Error(`an artifact named ${name} already exists on this run`);
    rmSync(target, { recursive: true, force: true });
    const lines = patterns.split("\n").filter((line) => line !== "");
    const searches = lines.filter((line) => !line.startsWith("!"));
    const excluded = lines.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
    const found = searches
      .flatMap((pattern) => matches(pattern, workspace))
      .filter((file) => !excluded.some((each) => glob(resolve(workspace, each)).test(file)));
    // One search keeps what is below its first wildcard, several keep what is below their common directory.
    const root = searches.length === 1 ? fixedPart(searches[0]!, workspace) : workspace;
    for (const file of found) {
      const to = join(target, relative(root, file));
      mkdirSync(dirname(to), { recursive: true });
      cpSync(file, to);
    }
    return found.length;
  }

  /** Puts an artifact's files below `directory`. @throws Error when there is none of that name */
  download(name: string, directory: string): void {
    if (!this.names.includes(name)) throw new Error(`Artifact not found for name: ${name}`);
    cpSync(this.path(name), directory, { recursive: true });
  }

  /**
   * Puts the files of every artifact whose name matches below `directory`: into a directory of its name, unless they are
   * merged or there is one match only (actions/download-artifact, since v5).
   */
  downloadAll(pattern: string, directory: string, merge: boolean): void {
    const found = this.names.filter((each) => glob(pattern).test(each));
    for (const name of found) {
      this.download(name, merge || found.length === 1 ? directory : join(directory, name));
    }
  }
}

function fixedPart(pattern: string, workspace: string): string {
  const [first = ""] = pattern.split("*");
  // What is before the first wildcard ends in the middle of a name.
  if (pattern.includes("*")) return dirname(resolve(workspace, `${first}x`));
  const path = resolve(workspace, pattern);
  return existsSync(path) && statSync(path).isDirectory() ? path : dirname(path);
}

function matches(pattern: string, workspace: string): string[] {
  const root = fixedPart(pattern, workspace);
  if (!existsSync(root)) return [];
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const wanted = resolve(workspace, pattern);
  return files.filter((file) => glob(wanted).test(file) || file.startsWith(`${wanted}/`));
}

function glob(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^$()|[\]{}\\]/g, "\\$&")
    .replace(/\*\*\/|\*/g, (wildcard) => (wildcard === "*" ? "[^/]*" : "(?:.*/)?"));
  return new RegExp(`^${source}$`);
}
