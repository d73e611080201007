import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
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
   * Takes an asset over, with its inventory. Its facts appear last: an asset is there when they are. An asset
   * that was staged before is replaced, facts first, so that no facts ever stand beside other bytes.
   */
  async put(file: string, facts: Facts, sbom: string): Promise<string> {
    const target = join(this.directory, facts.asset);
    await mkdir(this.directory, { recursive: true });
    await rm(`${target}.json`, { force: true });
    await move(file, target);
    await this.#write(facts.sbom.asset, sbom);
    await this.#write(`${facts.asset}.json`, `${JSON.stringify(facts, null, 2)}\n`);
    await this.#write(SUMS, await this.#sums());
    return target;
  }

  /** The facts of everything that is staged, by the assets' names. */
  async all(): Promise<Facts[]> {
    const names = (await readdir(this.directory)).filter((name) => name.endsWith(".json")).sort();
    const facts = await Promise.all(
      names
        .filter((name) => !name.endsWith(".cdx.json"))
        .map((name) => this.facts(name.slice(0, -".json".length))),
    );
    return facts.filter((each) => each !== undefined);
  }

  /** What `sha256sum -c` reads: every asset and inventory. Made anew each time, so that whoever is last is right. */
  async #sums(): Promise<string> {
    const sums = new Map(
      (await this.all()).flatMap(({ asset, sha256, sbom }) => [
        [asset, sha256],
        [sbom.asset, sbom.sha256],
      ]),
    );
    return [...sums]
      .sort(([a], [b]) => (a! < b! ? -1 : 1))
      .map(([name, sha256]) => `${sha256}  ${name}\n`)
      .join("");
  }

  /** A file appears under its name only when it is whole. */
  async #write(name: string, text: string): Promise<void> {
    const partial = join(this.directory, `${name}.${process.pid}.partial`);
    await writeFile(partial, text);
    await rename(partial, join(this.directory, name));
  }
}

const SUMS = "SHA256SUMS";

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
