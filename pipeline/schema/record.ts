import { readFile } from "node:fs/promises";
import { z } from "zod";
import { errorCode } from "./error.ts";

/** What the pipeline wrote for itself; undefined where nothing is, or something that another version wrote. */
export async function readRecord<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    if (errorCode(error) === "ENOENT" || error instanceof SyntaxError || error instanceof z.ZodError) return;
    throw error;
  }
}
