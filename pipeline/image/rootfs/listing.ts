import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BaseCell, PresetCell } from "../../schema/cells.ts";
import { apkVersions, Listing, listingPath } from "../../schema/listing.ts";
import { errorCode, PipelineError } from "../../util/error.ts";
import { reasonOf } from "../../util/reason.ts";
import type { Contents } from "./contents.ts";

/** What a listing records. */
type Listed = Pick<Contents, "packages" | "size" | "files">;

export interface ListingOptions {
  /** Whether to record the listing before it is compared. */
  readonly record: boolean;
  /**
   * Whether the versions of apk packages must be the recorded ones. (Alpine has no archive of old versions that a build
   * could use.)
   */
  readonly versions: boolean;
}

/**
 * Compares the contents of a root file system with the recorded listing of its cell. `agreed` is false if versions must be
 * the recorded ones and there is no listing.
 * @throws PipelineError that names the versions that differ
 */
export async function compareListing(
  root: string,
  cell: BaseCell | PresetCell,
  contents: Listed,
  { record, versions }: ListingOptions,
): Promise<{ listing: Listing | undefined; agreed: boolean }> {
  if (record) await recordListing(root, cell.id, contents);
  const listing = await readListing(root, cell.id);
  return { listing, agreed: !versions || checkVersions(cell, contents, listing) };
}

/** The recorded listing of a cell; undefined if there is none. @throws PipelineError if it is damaged */
export async function readListing(root: string, id: string): Promise<Listing | undefined> {
  const path = listingPath(id);
  try {
    return Listing.parse(JSON.parse(await readFile(join(root, path), "utf8")));
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw new PipelineError(`${path} is not a valid listing (${reasonOf(cause)})`, {
      fix: "restore it from git, or record a new one with --record",
      cause,
    });
  }
}

/** Records the contents of a root file system, so that later builds can be compared with it. */
export async function recordListing(root: string, id: string, contents: Listed): Promise<void> {
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
 * Compares the versions that apk resolved with the recorded ones. Returns false if there are apk packages, but no listing.
 * @throws PipelineError that names the versions that differ
 */
export function checkVersions(
  cell: BaseCell | PresetCell,
  contents: Listed,
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
  throw new PipelineError(`apk resolved other versions than those in ${listingPath(cell.id)}`, {
    code: "not-as-declared",
    fix: `review them, then accept them with \`npx smolvm-images cell ${cell.id} --record\` and \`npx smolvm-images synth\``,
    details: differences,
  });
}

const versionsOf = (packages: Contents["packages"]) =>
  packages.map(({ type, name, version }) => `${type} ${name} ${version}`);
