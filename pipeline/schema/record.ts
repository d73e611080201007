import { readFile } from "node:fs/promises";
import { z } from "zod";
import { errorCode, PipelineError, systemReason } from "./error.ts";

/**
 * What the pipeline wrote for itself; undefined where nothing is, or something that another version wrote.
 * @throws PipelineError when it cannot be read
 */
export async function readRecord<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error) ?? "")) return undefined;
    const reason = systemReason(error);
    throw reason ? new PipelineError(`cannot read ${path} (${reason})`, { cause: error }) : error;
  }
}
