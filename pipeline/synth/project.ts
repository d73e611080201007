import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  writeFileSync,
} from "node:fs";
import { dirname, join, normalize } from "node:path";
import { createTwoFilesPatch } from "diff";
import type { ReadFile } from "../constructs/app.ts";
import { locate } from "../schema/recipes.ts";
import { errorCode, isFileError, PipelineError } from "../util/error.ts";
import { reasonOf } from "../util/reason.ts";
import { ATTRIBUTES_PATH, generatedPaths } from "./gitattributes.ts";
import { isGenerated, isMarked } from "./marker.ts";
import { README_PATH, withTable } from "./readme.ts";
import { cellsOf, type Output } from "./synth.ts";

/** A change to a file: `before` is its present text, `after` the new one. Undefined means that the file does not exist. */
export interface Change {
  readonly path: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** Reads text files of the project in `root`. Recipe files that the project does not have come from this package. */
export function filesIn(root: string): ReadFile {
  return (path) => {
    try {
      return readFileSync(locate(root, path), "utf8");
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      throw isFileError(error) ? unreadable(path, error) : error;
    }
  };
}

const unreadable = (path: string, cause: unknown) =>
  new PipelineError(`cannot read ${path} (${reasonOf(cause)})`, { code: "not-readable", cause });

/**
 * The changes that make `root` contain `output`, and no other generated file.
 * @throws PipelineError with every file that synth did not write, and that is in the place of a generated one
 */
export function changes(root: string, output: Output): Change[] {
  const foreign = [...output.keys()].filter((path) => isForeign(root, path));
  if (foreign.length > 0) {
    const them = foreign.length === 1 ? "it" : "them";
    throw new PipelineError(`synth did not write ${foreign.join(", ")}, and would replace ${them}`, {
      code: "not-ours",
      fix: `move ${them} away or delete ${them}, then run \`npx smolvm-images synth\``,
    });
  }
  const files = filesIn(root);
  const stale = generatedPaths(files(ATTRIBUTES_PATH) ?? "").filter((path) => !output.has(path));
  return [
    ...[...output].map(([path, after]) => ({ path, before: files(path), after })),
    ...stale
      .filter((path) => removable(root, path))
      .map((path) => ({ path, before: files(path), after: undefined })),
    ...readmeChange(files(README_PATH), output),
  ].filter((change) => change.before !== change.after);
}

/** README.md is the only file of which synth writes a part: the table between two marks. */
function readmeChange(before: string | undefined, output: Output): Change[] {
  const after = before === undefined ? undefined : withTable(before, cellsOf(output));
  return after === undefined ? [] : [{ path: README_PATH, before, after }];
}

/** Whether something exists at `path` that does not carry the mark of a generated file. A link never counts as generated. */
function isForeign(root: string, path: string): boolean {
  let there: Stats | undefined;
  try {
    there = lstatSync(join(root, path), { throwIfNoEntry: false });
  } catch (cause) {
    throw isFileError(cause) ? unreadable(path, cause) : cause;
  }
  if (!there) return false;
  return !there.isFile() || !isGenerated(path, filesIn(root)(path) ?? "");
}

/**
 * Whether a file may be removed: only a plain file at a normalized path below real directories of `root`, with the mark of
 * a generated file. `.gitattributes` alone is not trusted, because anyone can add a file to it.
 */
function removable(root: string, path: string): boolean {
  if (path !== normalize(path) || path.startsWith("/") || path.split("/").includes("..")) return false;
  const parts = path.split("/");
  const real = parts.every((_, index) => {
    const stat = lstatSync(join(root, ...parts.slice(0, index + 1)), { throwIfNoEntry: false });
    return index === parts.length - 1 ? stat?.isFile() : stat?.isDirectory();
  });
  return real && isMarked(filesIn(root)(path));
}

/**
 * Applies changes. Writes all texts to temporary files beside their targets first, and renames them when all are written.
 * @throws PipelineError when a text cannot be written; then nothing is changed
 */
export function write(root: string, pending: readonly Change[]): void {
  const made: string[] = [];
  const written: { readonly path: string; readonly partial: string }[] = [];
  try {
    for (const { path, after } of pending) {
      if (after === undefined) continue;
      doing("write", path, "nothing was changed", () => {
        const outermost = mkdirSync(dirname(join(root, path)), { recursive: true });
        if (outermost) made.push(outermost);
        const partial = `${join(root, path)}.${process.pid}.partial`;
        written.push({ path, partial });
        writeFileSync(partial, after);
      });
    }
    for (const { path, partial } of written) {
      doing("write", path, AGAIN, () => renameSync(partial, join(root, path)));
    }
  } catch (error) {
    undo(
      written.map(({ partial }) => partial),
      made,
    );
    throw error;
  }
  for (const { path, after } of pending) {
    if (after === undefined) doing("remove", path, AGAIN, () => rmSync(join(root, path)));
  }
}

/** The `fix` once files have been renamed: the next run makes the remaining changes. */
const AGAIN = "make it writable, then run `npx smolvm-images synth` again";

/** Runs `work`. @throws PipelineError that names the file, when the system refuses */
function doing(verb: string, path: string, then: string, work: () => void): void {
  try {
    work();
  } catch (cause) {
    if (!isFileError(cause)) throw cause;
    throw new PipelineError(`cannot ${verb} ${path} (${reasonOf(cause)})`, {
      ...{ code: "not-writable", fix: then, cause },
    });
  }
}

/** Removes the files and directories of a failed write. Ignores file system errors: the first error gives the reason. */
function undo(files: readonly string[], directories: readonly string[]): void {
  const tasks = [
    ...files.map((file) => () => rmSync(file, { force: true })),
    ...[...directories].reverse().map((directory) => () => removeEmpty(directory)),
  ];
  for (const task of tasks) {
    try {
      task();
    } catch (error) {
      if (!isFileError(error)) throw error;
    }
  }
}

/** Removes a directory and its subdirectories, except those that contain files. */
function removeEmpty(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmpty(join(directory, entry.name));
  }
  if (readdirSync(directory).length === 0) rmdirSync(directory);
}

/** Changes as one unified diff, from the present files to the new ones. */
export function unifiedDiff(pending: readonly Change[]): string {
  return pending
    .map(({ path, before, after }) =>
      createTwoFilesPatch(
        before === undefined ? "/dev/null" : `a/${path}`,
        after === undefined ? "/dev/null" : `b/${path}`,
        before ?? "",
        after ?? "",
        undefined,
        undefined,
        { context: 3 },
      ),
    )
    .join("");
}
