import { readFile } from "node:fs/promises";
import { z } from "zod";
import { errorCode, PipelineError } from "./error.ts";
import { reasonOf } from "./reason.ts";

/**
 * Reads a JSON file that the pipeline wrote for its own use. Undefined if the file is missing, or if its content does not
 * match `schema` (another version wrote it).
 * @throws PipelineError when it cannot be read: a directory, another user's file
 */
export async function readRecord<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    // ENOTDIR: a parent in the path is a file, so this file does not exist either.
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error) ?? "")) return;
    if (error instanceof SyntaxError || error instanceof z.ZodError) return;
    throw unreadable(path, error);
  }
}

/**
 * Reads a committed JSON file, which must match `schema`. Undefined if the file is missing.
 * @throws PipelineError that names the wrong field
 */
export async function readCommitted<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return;
    if (!(error instanceof SyntaxError || error instanceof z.ZodError)) throw unreadable(path, error);
    throw new PipelineError(
      `${path} does not have the format that this version writes (${reasonOf(error)})`,
      { fix: "restore it from git, or run `npx smolvm-images synth`", cause: error },
    );
  }
}

const unreadable = (path: string, cause: unknown) =>
  new PipelineError(`cannot read ${path} (${reasonOf(cause)})`, {
    code: "not-readable",
    fix: "move it away, or make it readable",
    cause,
  });
