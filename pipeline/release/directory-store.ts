import { copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, PipelineError } from "../schema/error.ts";
import { Facts } from "../schema/facts.ts";

/** Finished, verified assets in a directory: `<asset>`, with its facts in `<asset>.json` beside it. */
export class DirectoryStore {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** The facts of a staged asset; undefined where none is staged. @throws PipelineError when they are damaged */
  async facts(asset: string): Promise<Facts | undefined> {
    const path = join(this.directory, `${asset}.json`);
    try {
      return Facts.parse(JSON.parse(await readFile(path, "utf8")));
    } catch (cause) {
      if (errorCode(cause) === "ENOENT") return undefined;
      throw new PipelineError(`${path} does not hold an asset's facts: remove it and build the cell again`, {
        cause,
      });
    }
  }

  /**
   * Takes an asset over. Its facts appear last: an asset is there when they are. An asset that was
   * staged before is replaced, facts first, so that no facts ever stand beside other bytes.
   */
  async put(file: string, facts: Facts): Promise<string> {
    const target = join(this.directory, facts.asset);
    await mkdir(this.directory, { recursive: true });
    await rm(`${target}.json`, { force: true });
    await move(file, target);
    const partial = `${target}.json.${process.pid}.partial`;
    await writeFile(partial, `${JSON.stringify(facts, null, 2)}\n`);
    await rename(partial, `${target}.json`);
    return target;
  }
}

/** Renames a file, or copies it where the store is on another disk; it appears whole either way. */
async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (errorCode(error) !== "EXDEV") throw error;
    const partial = `${to}.${process.pid}.partial`;
    await copyFile(from, partial);
    await rename(partial, to);
    await rm(from);
  }
}
