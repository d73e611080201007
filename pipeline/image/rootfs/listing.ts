import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BaseCell, PresetCell } from "../../schema/cells.ts";
import { apkVersions, Listing, listingPath } from "../../schema/listing.ts";
import { errorCode, PipelineError } from "../../util/error.ts";
import { reasonOf } from "../../util/reason.ts";
import type { Contents } from "./contents.ts";

export interface ListingOptions {
  /** Whether what is there now is recorded first. */
  readonly record: boolean;
  /** Whether the versions of packages must be the recorded ones, where no archive keeps its old days (apk). */
  readonly versions: boolean;
}

/**
 * Compares what is in a root file system with what was last recorded of its cell. `agreed` is false where versions must be
 * the recorded ones, and none are recorded.
 * @throws PipelineError that names the versions that differ
 */
export async function compareListing(
  root: string,
  cell: BaseCell | PresetCell,
  contents: Contents,
  { record, versions }: ListingOptions,
): Promise<{ listing: Listing | undefined; agreed: boolean }> {
  if (record) await recordListing(root, cell.id, contents);
  const listing = await readListing(root, cell.id);
  return { listing, agreed: !versions || checkVersions(cell, contents, listing) };
}

/** What was last recorded of a cell; undefined where nothing was. @throws PipelineError when it is damaged */
export async function readListing(root: string, id: string): Promise<Listing | undefined> {
  const path = listingPath(id);
  try {
    return Listing.parse(JSON.parse(await readFile(join(root, path), "utf8")));
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw new PipelineError(
      `${path} is no listing (${reasonOf(cause)}): restore it from git, or record it anew with --record`,
      { cause },
    );
  }
}

/** Records what is in a root file system, for the next one to be compared with. */
export async function recordListing(root: string, id: string, contents: Contents): Promise<void> {
  const { size, packages } = contents;
  const files = Object.fromEntries(Object.entries(contents.files).sort(([a], [b]) => (a < b ? -1 : 1)));
  const listing: Listing = {
    schema_version: 1,
    id,
    content_size: size,
    packages: versionsOf(packages),
    files,
  };
  const path = join(root, listingPath(id));
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(listing, null, 2)}\n`);
}

/**
 * Compares the versions that apk has resolved with the recorded ones. Returns whether any are recorded.
 * @throws PipelineError that names those that differ
 */
export function checkVersions(
  cell: BaseCell | PresetCell,
  contents: Contents,
  listing: Listing | undefined,
): boolean {
  const now = apkVersions({ packages: versionsOf(contents.packages) });
  if (now.length === 0) return true;
  if (!listing) return false;
  const then = new Set(apkVersions(listing));
  const missing = new Set(now);
  const differences = [
    ...[...then].filter((each) => !missing.has(each)).map((each) => `- recorded: ${each}`),
    ...now.filter((each) => !then.has(each)).map((each) => `- resolved: ${each}`),
  ];
  if (differences.length === 0) return true;
  throw new PipelineError(
    `apk has resolved other versions than ${listingPath(cell.id)} records: look at them, and accept them with ` +
      `\`npx smolvm-images cell ${cell.id} --record\` and \`npx smolvm-images synth\``,
    { code: "not-as-declared", details: differences },
  );
}

const versionsOf = (packages: Contents["packages"]) =>
  packages.map(({ type, name, version }) => `${type} ${name} ${version}`);
