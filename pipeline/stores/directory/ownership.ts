import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { factsOf, isManifest, isReleaseName, summedNames } from "../../schema/mark.ts";
import { MANIFEST_ASSET, SUMS_ASSET } from "../../schema/names.ts";
import { entriesIn } from "../../util/directory.ts";
import { isFileError, PipelineError } from "../../util/error.ts";
import { isAlive } from "../../util/process.ts";

/** What is in a directory, by name: what a release has, and what somebody else has put there. */
export interface Ownership {
  /**
   * Assets, their facts and inventories, the manifest and the sums: what carries our mark, or is named by what does. In
   * the order in which they can be removed one by one: what others are known by comes last.
   */
  readonly ours: ReadonlySet<string>;
  /** Half-written files of ours, whose processes are gone. */
  readonly abandoned: ReadonlySet<string>;
  /** Everything else, sorted. */
  readonly foreign: readonly string[];
}

/** `<name>.<n>.<pid>.partial`, and without the count. */
const PARTIAL = /^(.+?)(?:\.\d+)?\.(\d+)\.partial$/;
const KERNEL = /^(vmlinux-(?:amd64|arm64))\.(?:elf|image)$/;
/** Nothing that we read to know it is larger, bytes. */
const MOST_BYTES = 64 << 20;

/** Looks at every file of a directory; no link is followed. @throws PipelineError when it cannot be read */
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
    // The sums come before what they list: what a process that was killed has left is known by them.
    ours.add(name);
    if (files.has(`${name}.json`)) ours.add(`${name}.json`);
  }
  ours.delete(MANIFEST_ASSET);
  for (const name of [...ours]) {
    const kernel = KERNEL.exec(name)?.[1];
    if (kernel) ours.add(`${kernel}.config`);
  }
  // Alone it is no mark: the project's own `out` has one as well.
  if (ours.size > 0 && isManifest((await read(MANIFEST_ASSET)) ?? "")) ours.add(MANIFEST_ASSET);

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

/** By the sums everything is known, by facts their asset and its inventory, by a kernel its configuration. */
const rank = (name: string): number =>
  name === SUMS_ASSET ? 2 : name === MANIFEST_ASSET || /\.(?:config|cdx\.json)$/.test(name) ? 0 : 1;

/** @throws PipelineError when a directory has something, and nothing of a release */
export async function checkOwnership(directory: string): Promise<Ownership> {
  const ownership = await ownershipOf(directory);
  const { ours, foreign } = ownership;
  if (ours.size > 0 || foreign.length === 0) return ownership;
  const others = foreign.length > 1 ? ` and ${foreign.length - 1} more` : "";
  throw new PipelineError(`${directory} is not a release's directory, it has ${foreign[0]}${others}`, {
    code: "not-ours",
    fix: "give an empty one, or one that is not there yet",
  });
}

/** What somebody else has put in the place of a file of ours. */
export const inTheWay = (directory: string, name: string) =>
  new PipelineError(`${join(directory, name)} was not made by the pipeline, and stays`, {
    code: "not-ours",
    fix: "move it away",
  });

/** Undefined where it cannot be read: then it is not ours. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await stat(path)).size > MOST_BYTES ? undefined : await readFile(path, "utf8");
  } catch (error) {
    if (isFileError(error)) return undefined;
    throw error;
  }
}
