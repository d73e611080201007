import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Cell, Cells } from "../schema/cells.ts";
import { PipelineError } from "../util/error.ts";
import { reasonOf } from "../util/reason.ts";

/**
 * The names in a directory of artifacts, or in one artifact; sorted.
 * @param artifacts which artifacts of the run must be there: `cell-*`
 * @throws PipelineError when the directory cannot be read
 */
async function namesIn(directory: string, artifacts: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (cause) {
    throw new PipelineError(`cannot read ${directory} (${reasonOf(cause)})`, {
      ...{ code: "not-readable", fix: `download the artifacts \`${artifacts}\` of the run there`, cause },
    });
  }
}

/** An artifact of a run, as it was downloaded. */
interface Downloaded {
  readonly name: string;
  readonly path: string;
}

/**
 * The artifacts in a directory whose names begin with `prefix`, and whatever else is there; sorted. For a pattern,
 * actions/download-artifact makes a directory for each artifact, but puts the files of a single match into `directory`
 * itself (since its v5). Then the files must say which artifact it is.
 * @param single the name after the prefix of the one artifact that has these files; undefined if no artifact has them
 * @throws PipelineError when the directory cannot be read
 */
export async function artifactsIn(
  directory: string,
  prefix: string,
  single: (files: readonly string[]) => string | undefined,
): Promise<Downloaded[]> {
  const names = await namesIn(directory, `${prefix}*`);
  const only = names.some((name) => name.startsWith(prefix)) ? undefined : single(names);
  if (only !== undefined) return [{ name: `${prefix}${only}`, path: directory }];
  return names.map((name) => ({ name, path: join(directory, name) }));
}

/** The artifact of a published cell. */
interface OfCell extends Downloaded {
  readonly cell: Cell;
}

/**
 * The artifacts of published cells in a directory (`<prefix><id>`), and a line for each other one.
 * @param filesOf the files of a cell's artifact, of which some tell that a single artifact is that of the cell
 * @throws PipelineError when the directory cannot be read
 */
export async function cellArtifactsIn(
  { cells }: Pick<Cells, "cells">,
  directory: string,
  prefix: string,
  filesOf: (cell: Cell) => readonly string[],
): Promise<{ readonly artifacts: readonly OfCell[]; readonly problems: string[] }> {
  const published = cells.filter((cell) => cell.published);
  const single = (files: readonly string[]) =>
    published.find((cell) => filesOf(cell).some((file) => files.includes(file)))?.id;
  const artifacts: OfCell[] = [];
  const problems: string[] = [];
  for (const each of await artifactsIn(directory, prefix, single)) {
    const cell = published.find(({ id }) => each.name === `${prefix}${id}`);
    if (cell) artifacts.push({ ...each, cell });
    else problems.push(`${each.name}: it is not the artifact of a published cell`);
  }
  return { artifacts, problems };
}

/** The files that an artifact may hold. */
export interface Allowed {
  /** Which artifacts it is one of: `cell-*`. */
  readonly artifacts: string;
  /** Whose files they are, for messages: `this cell`. */
  readonly of: string;
  /** The maximum size of a file, bytes; undefined for one that may not be there. */
  most(name: string): number | undefined;
}

/**
 * A line for each file of an artifact that may not be there. Jobs that run the code of packages can leave any artifact, so
 * nothing in one is read before it is known to be a regular file of the expected name, and not too large.
 */
export async function strangersIn(directory: string, allowed: Allowed): Promise<string[]> {
  if (!(await lstat(directory)).isDirectory()) return ["it is not a directory"];
  const problems: string[] = [];
  for (const name of await namesIn(directory, allowed.artifacts)) {
    const file = await lstat(join(directory, name));
    const most = allowed.most(name);
    if (most === undefined) problems.push(`${name} is not a file of ${allowed.of}`);
    else if (!file.isFile()) problems.push(`${name} is not a regular file`);
    else if (file.size > most) problems.push(`${name} has too many bytes (${file.size})`);
  }
  return problems;
}
