import { copyFile, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { Facts } from "../../schema/facts.ts";
import { MANIFEST_ASSET, SUMS_ASSET } from "../../schema/names.ts";
import { makeDirectory } from "../../util/directory.ts";
import { errorCode, PipelineError } from "../../util/error.ts";
import { sha256File } from "../../util/hash.ts";
import type { Run } from "../../util/progress.ts";
import { reasonOf } from "../../util/reason.ts";
import { writeWhole } from "../../util/whole-file.ts";
import type { Outgoing } from "../store.ts";
import { inTheWay, ownershipOf } from "./ownership.ts";

/** The maximum size of a facts file, bytes. */
export const MOST_FACTS_BYTES = 16 << 20;
const kind = z.enum(["base", "preset"]);
/** What earlier versions wrote for an image: facts without its boots, or without the owners of its files. */
const FromEarlier = z.union([
  z.looseObject({ kind, proven: z.undefined().optional() }),
  z.looseObject({ kind, accounted: z.undefined().optional() }),
]);

const ADVICE = "choose another directory with --store dir:PATH";

/** The staging directory: finished, verified assets, each `<asset>` with its facts in `<asset>.json` beside it. */
export class StagingDirectory {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /**
   * The facts of a staged asset; undefined if it is not staged, or if an earlier version staged it, which did not record on
   * what an image was booted, or to whom its files belong.
   * @throws PipelineError when the facts are damaged, too large, or those of another asset
   */
  async facts(asset: string): Promise<Facts | undefined> {
    const path = join(this.directory, `${asset}.json`);
    try {
      const { size } = await stat(path);
      if (size > MOST_FACTS_BYTES) throw new Error(`${size} bytes, the maximum is ${MOST_FACTS_BYTES}`);
      const content: unknown = JSON.parse(await readFile(path, "utf8"));
      if (FromEarlier.safeParse(content).success) return undefined;
      const facts = Facts.parse(content);
      if (facts.asset !== asset) throw new Error(`they are those of ${facts.asset}`);
      return facts;
    } catch (cause) {
      if (errorCode(cause) === "ENOENT") return undefined;
      throw new PipelineError(`${path} does not contain the facts of an asset (${reasonOf(cause)})`, {
        code: "not-staged",
        fix: "remove it and build the cell again",
        cause,
      });
    }
  }

  /**
   * Stages an asset with its inventory: moves `file` into the directory. The facts are written last, and an asset counts as
   * staged only with its facts. When an asset is staged again, its old facts are removed first, so that facts never lie
   * beside other bytes. Returns the path of the staged asset.
   * @throws PipelineError when a file that the pipeline did not make is in the place of one of these; ZodError when the
   * facts are not complete, such as those of an image that lacks a boot
   */
  async put(file: string, facts: Facts, sbom: string | Uint8Array): Promise<string> {
    Facts.parse(facts);
    const target = join(this.directory, facts.asset);
    await makeDirectory(this.directory, ADVICE);
    const names = [facts.asset, `${facts.asset}.json`, facts.sbom.asset, SUMS_ASSET, MANIFEST_ASSET];
    const { foreign } = await ownershipOf(this.directory);
    for (const name of names) if (foreign.includes(name)) throw inTheWay(this.directory, name);
    await rm(`${target}.json`, { force: true });
    // The manifest of an earlier publication no longer describes the directory.
    await rm(join(this.directory, MANIFEST_ASSET), { force: true });
    // SHA256SUMS marks the file as ours, even if this process is killed before it writes the facts.
    await this.#write(SUMS_ASSET, sums([...(await this.all()), facts]));
    await move(file, target);
    await this.#write(facts.sbom.asset, sbom);
    await this.#write(`${facts.asset}.json`, `${JSON.stringify(facts, null, 2)}\n`);
    return target;
  }

  /** Stages a copy of an asset from another staging directory. */
  async copy(from: StagingDirectory, facts: Facts): Promise<void> {
    await makeDirectory(this.directory, ADVICE);
    const partial = join(this.directory, `${facts.asset}.${process.pid}.partial`);
    try {
      await copyFile(join(from.directory, facts.asset), partial);
      await this.put(partial, facts, await readFile(join(from.directory, facts.sbom.asset)));
    } finally {
      await rm(partial, { force: true });
    }
  }

  /** A staged asset as a file to upload. @throws PipelineError when it does not match its facts */
  async outgoing({ asset, id, sha256, size }: Facts, run: Run): Promise<Outgoing> {
    return await this.#outgoing(id, { name: asset, sha256, size }, run);
  }

  /** The inventory of an asset as a file to upload. @throws PipelineError when it does not match the asset's facts */
  async outgoingSbom({ id, sbom: { asset: name, sha256, size } }: Facts, run: Run): Promise<Outgoing> {
    return await this.#outgoing(id, { name, sha256, size }, run);
  }

  async #outgoing(id: string, file: Omit<Outgoing, "path">, run: Run): Promise<Outgoing> {
    const path = join(this.directory, file.name);
    const actual = (await stat(path).catch(() => undefined)) && (await sha256File(path, run.signal));
    if (actual === file.sha256) return { ...file, path };
    throw new PipelineError(
      actual
        ? `${path} does not match its facts (sha256 ${actual}, the facts say ${file.sha256})`
        : `${path} is missing`,
      {
        code: actual ? "digest-mismatch" : "not-staged",
        fix: `build it again with \`npx smolvm-images cell ${id} --no-cache\``,
      },
    );
  }

  /** The facts of all staged assets, sorted by the assets' names. @throws PipelineError when some are damaged */
  async all(): Promise<Facts[]> {
    const { ours } = await ownershipOf(this.directory);
    const assets = [...ours].filter((name) => ours.has(`${name}.json`)).sort();
    const facts = await Promise.all(assets.map((asset) => this.facts(asset)));
    return facts.filter((each) => each !== undefined);
  }

  async #write(name: string, text: string | Uint8Array): Promise<void> {
    await writeWhole(join(this.directory, name), (partial) => writeFile(partial, text));
  }
}

/** An asset with its inventory, and their digests. */
interface Summed {
  readonly asset: string;
  readonly sha256: string;
  readonly sbom: { readonly asset: string; readonly sha256: string };
}

/** What `sha256sum -c` reads: every asset and inventory, and further files by name. */
export function sums(assets: readonly Summed[], further: Readonly<Record<string, string>> = {}): string {
  const all = new Map(
    assets.flatMap(({ asset, sha256, sbom }) => [
      [asset, sha256],
      [sbom.asset, sbom.sha256],
    ]),
  );
  for (const [name, sha256] of Object.entries(further)) all.set(name, sha256);
  return [...all]
    .sort(([a], [b]) => (a! < b! ? -1 : 1))
    .map(([name, sha256]) => `${sha256}  ${name}\n`)
    .join("");
}

/** Moves a file atomically: renames it, or copies it if the directory is on another disk. */
async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (errorCode(error) !== "EXDEV") throw error;
    await writeWhole(to, (partial) => copyFile(from, partial));
    await rm(from);
  }
}
