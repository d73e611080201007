import { readFile } from "node:fs/promises";
import { z } from "zod";
import { errorCode, PipelineError } from "./error.ts";
import { reasonOf } from "./reason.ts";

/**
 * What the pipeline wrote for itself; undefined where nothing is, or something that another version wrote.
 * @throws PipelineError when something is there that cannot be read: a directory, another user's file
 */
export async function readRecord<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    // What lies below something that is no directory is not there either.
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error) ?? "")) return;
    if (error instanceof SyntaxError || error instanceof z.ZodError) return;
    throw unreadable(path, error);
  }
}

/**
 * A file that is committed, and must be right where it is; undefined where it is not there.
 * @throws PipelineError that names the field that is wrong
 */
export async function readCommitted<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return;
    if (!(error instanceof SyntaxError || error instanceof z.ZodError)) throw unreadable(path, error);
    throw new PipelineError(
      `${path} is not as this version writes it (${reasonOf(error)}): restore it from git, or run \`npx smolvm-images synth\``,
      { cause: error },
    );
  }
}

const unreadable = (path: string, cause: unknown) =>
  new PipelineError(
    `cannot read ${path} (${reasonOf(cause)}): move away what is there, or make it readable`,
    {
      cause,
    },
  );
