import { lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { createTwoFilesPatch } from "diff";
import type { ReadFile } from "../constructs/app.ts";
import { errorCode, PipelineError } from "../schema/error.ts";
import { ATTRIBUTES_PATH, generatedPaths } from "./gitattributes.ts";
import { isMarked } from "./marker.ts";
import { README_PATH, withTable } from "./readme.ts";
import { cellsOf, type Output } from "./synth.ts";

/** A generated file that is not as the tree says: to be written, or (text undefined) to be removed. */
export interface Change {
  readonly path: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** Reads the text files of the project in `root`. */
export function filesIn(root: string): ReadFile {
  return (path) => {
    try {
      return readFileSync(join(root, path), "utf8");
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    }
  };
}

/** What must change in `root` so that it holds `output` and nothing else that was once generated. */
export function changes(root: string, output: Output): Change[] {
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

/** The one file of which synth writes a part: the table between its two marks. */
function readmeChange(before: string | undefined, output: Output): Change[] {
  const after = before === undefined ? undefined : withTable(before, cellsOf(output));
  return after === undefined ? [] : [{ path: README_PATH, before, after }];
}

/**
 * Only a plain file, at a plain path, below real directories of `root`, that says itself that it was
 * generated, is ever removed: anybody may have marked another one for reviews.
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

/** Applies changes; each file appears whole or not at all. */
export function write(root: string, pending: readonly Change[]): void {
  for (const { path, after } of pending) {
    const target = join(root, path);
    if (after === undefined) {
      rmSync(target);
      continue;
    }
    const partial = `${target}.${process.pid}.partial`;
    try {
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(partial, after);
      renameSync(partial, target);
    } catch (cause) {
      rmSync(partial, { force: true });
      throw new PipelineError(`cannot write ${path}: ${(cause as Error).message}`, { cause });
    }
  }
}

/** Changes as one unified diff, from what is committed to what the tree says. */
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
