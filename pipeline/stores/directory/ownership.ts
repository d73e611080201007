import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { factsOf, isManifest, isReleaseName, REPORT_MARK, summedNames } from "../../schema/mark.ts";
import { MANIFEST_ASSET, REPORT_ASSET, SUMS_ASSET } from "../../schema/names.ts";
import { entriesIn } from "../../util/directory.ts";
import { isFileError, PipelineError } from "../../util/error.ts";
import { isAlive } from "../../util/process.ts";

/** The files of a directory, by name: those of a release, and those of others. */
export interface Ownership {
  /**
   * Our files: assets, their facts and inventories, the manifest, SHA256SUMS and the report. They carry our mark, or a file with our
   * mark names them. Sorted so that they can be removed one by one: a file that identifies others comes after them.
   */
  readonly ours: ReadonlySet<string>;
  /** Our partial files whose processes have ended. */
  readonly abandoned: ReadonlySet<string>;
  /** Everything else, sorted. */
  readonly foreign: readonly string[];
}

/** `<name>.<count>.<pid>.partial` or `<name>.<pid>.partial`. */
const PARTIAL = /^(.+?)(?:\.\d+)?\.(\d+)\.partial$/;
const KERNEL = /^(vmlinux-(?:amd64|arm64))\.(?:elf|image)$/;
/** The maximum size of a file that is read to identify it, bytes. */
const MOST_BYTES = 64 << 20;

/** Identifies the files of a directory. Does not follow links. @throws PipelineError when the directory cannot be read */
export async function ownershipOf(directory: string): Promise<Ownership> {
  const entries = await entriesIn(directory, "choose another directory");
  const files = new Set(entries.filter((entry) => entry.isFile()).map(({ name }) => name));
  const read = async (name: string) => (files.has(name) ? await textOf(join(directory, name)) : undefined);

  const ours = new Set<string>();
  for (const name of files) {
    const facts = name.endsWith(".json") ? factsOf((await read(name)) ?? "") : undefined;
    if (facts && `${facts.asset}.json` === name)
      for (const each of [name, facts.asset, facts.sbom]) ours.add(each);
  }
  const listed = summedNames((await read(SUMS_ASSET)) ?? "-", ours);
  for (const name of listed ? [SUMS_ASSET, ...listed] : []) {
    // SHA256SUMS is written before the files that it lists, so it identifies the files of a killed process.
    ours.add(name);
    if (files.has(`${name}.json`)) ours.add(`${name}.json`);
  }
  ours.delete(MANIFEST_ASSET);
  for (const name of [...ours]) {
    const kernel = KERNEL.exec(name)?.[1];
    if (kernel) ours.add(`${kernel}.config`);
  }
  // A manifest alone does not make a directory ours: the project's `out` has one as well.
  if (ours.size > 0 && isManifest((await read(MANIFEST_ASSET)) ?? "")) ours.add(MANIFEST_ASSET);
  if (ours.size > 0 && (await read(REPORT_ASSET))?.includes(REPORT_MARK)) ours.add(REPORT_ASSET);

  const abandoned = new Set<string>();
  const partials = new Set<string>();
  for (const name of files) {
    const [, of, pid] = PARTIAL.exec(name) ?? [];
    if (of === undefined || !(ours.has(of) || isReleaseName(of))) continue;
    partials.add(name);
    if (!isAlive(Number(pid))) abandoned.add(name);
  }
  const foreign = entries
    .map(({ name }) => name)
    .filter((name) => !(files.has(name) && (ours.has(name) || partials.has(name))));
  const present = [...ours].filter((name) => files.has(name)).sort((a, b) => rank(a) - rank(b));
  return { ours: new Set(present), abandoned, foreign: foreign.sort() };
}

/** SHA256SUMS identifies every file, facts identify their asset and inventory, a kernel identifies its configuration. */
const rank = (name: string): number =>
  name === SUMS_ASSET
    ? 2
    : [MANIFEST_ASSET, REPORT_ASSET].includes(name) || /\.(?:config|cdx\.json)$/.test(name)
      ? 0
      : 1;

/** @throws PipelineError when a directory has files, but none of a release */
export async function checkOwnership(directory: string): Promise<Ownership> {
  const ownership = await ownershipOf(directory);
  const { ours, foreign } = ownership;
  if (ours.size > 0 || foreign.length === 0) return ownership;
  const others = foreign.length > 1 ? ` and ${foreign.length - 1} more` : "";
  throw new PipelineError(`${directory} is not the directory of a release: it has ${foreign[0]}${others}`, {
    code: "not-ours",
    fix: "give an empty directory, or one that does not exist yet",
  });
}

/** The error for a file that is in the place of one of ours, and was not made by the pipeline. */
export const inTheWay = (directory: string, name: string) =>
  new PipelineError(`${join(directory, name)} was not made by the pipeline, so it is not changed`, {
    code: "not-ours",
    fix: "move it away",
  });

/** The text of a file; undefined if it cannot be read or is too large, so that it does not count as ours. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await stat(path)).size > MOST_BYTES ? undefined : await readFile(path, "utf8");
  } catch (error) {
    if (isFileError(error)) return undefined;
    throw error;
  }
}
