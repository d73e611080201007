import { Command, Option } from "commander";
import { Cache, type Cached } from "../../client/cache.ts";
import { loadManifest } from "../../client/load-manifest.ts";
import { isBuiltHere, lookUp, storeOf } from "../../client/local-store.ts";
import { usedByMachines } from "../../client/machines/registry.ts";
import { remoteOf } from "../../client/manifest.ts";
import { ensureBase, ensureImage, type FetchedShare } from "../../client/pull.ts";
import { verifyCache } from "../../client/verify-cache.ts";
import { filesOf, type Manifest } from "../../schema/manifest.ts";
import { humanBytes } from "../../util/human-bytes.ts";
import { BOUNDS, range, wholeNumber } from "../shared/numbers.ts";
import { inRun } from "../shared/run.ts";
import { table } from "../shared/table.ts";
import {
  CACHE,
  type ImageFlags,
  type ManifestFlags,
  pullOptions,
  withImageOptions,
  withManifestOptions,
} from "./pull-options.ts";

export const pullCommand = withImageOptions(
  new Command("pull").argument(
    "<preset>",
    "codex, claude-code, pi, …, or `base` for an image without an agent",
  ),
).action(async (preset: string, flags: ImageFlags) => {
  await inRun(async (run) => {
    const { arch, flavor, vmm } = flags;
    const { kernelPath, rootfsPath, timings, fetched } =
      preset === "base"
        ? await ensureBase({ arch, flavor, vmm }, pullOptions(flags, run))
        : await ensureImage({ preset, arch, flavor, vmm }, pullOptions(flags, run));
    run.progress.end();
    process.stdout.write(`${kernelPath}\n${rootfsPath}\n`);
    process.stderr.write(
      `${timings.downloadMs > 0 ? downloaded(preset, fetched) : "already in the cache"}\n`,
    );
  });
});

/**
 * `codex: 84 MB of 200 MB fetched, the rest copied from cached images`.
 * @param share what was fetched of the root file system; undefined if nothing of it was copied
 */
export function downloaded(preset: string, share: FetchedShare | undefined): string {
  if (!share) return "downloaded";
  const [fetched, size] = [share.fetched, share.size].map(humanBytes);
  return `${preset}: ${fetched} of ${size} fetched, the rest copied from cached images`;
}

interface ListFlags extends ManifestFlags {
  readonly cache?: string;
  readonly json?: true;
  readonly verify?: true;
}

export const imagesCommand = withManifestOptions(new Command("images"))
  .option(...CACHE)
  .option("--json", "print JSON")
  .addOption(
    new Option(
      "--verify",
      "hash every cached file, print a line for each bad one, and exit 1 if there is any",
    ).conflicts("json"),
  )
  .action(async ({ cache: directory, json, verify, ...flags }: ListFlags) => {
    if (verify) return await verifyImages(flags, new Cache(directory));
    const manifest = await manifestFor(flags);
    const cached = await inRun(async (run) => await new Cache(directory).list(run));
    const rows = offered(manifest).map((row) => ({
      ...row,
      cached: cached.find(({ sha256 }) => sha256 === row.sha256),
    }));
    const named = namesOf(manifest);
    const others = cached.filter(({ sha256 }) => !named.has(sha256));
    if (json) {
      const data = rows.map(({ cached: here, ...row }) => ({
        ...row,
        path: here?.path ?? null,
        onDisk: here?.onDisk ?? 0,
      }));
      process.stdout.write(`${JSON.stringify({ tag: manifest.tag, images: data, others }, null, 2)}\n`);
      return;
    }
    const here = (entry: Cached | undefined) => (entry ? humanBytes(entry.onDisk) : "-");
    process.stdout.write(
      table(
        ["image", "flavor", "arch", "download", "on disk", "from"],
        rows.map((row) => [
          ...[
            row.name,
            row.flavor,
            row.arch,
            row.size === null ? "-" : humanBytes(row.size),
            here(row.cached),
          ],
          isBuiltHere(row) ? storeOf(row) : manifest.tag,
        ]),
      ),
    );
    const total = cached.reduce((sum, { onDisk }) => sum + onDisk, 0);
    process.stderr.write(
      `${rows.length} images at ${manifest.tag}; ${cached.length} cached files take ${humanBytes(total)}` +
        `${others.length > 0 ? `, ${others.length} of them from other releases (remove them with \`smolvm prune --orphans\`)` : ""}\n`,
    );
  });

/** Prints the bad files of a cache to stdout. Exit code 1: there are some. */
async function verifyImages(flags: ManifestFlags, cache: Cache): Promise<void> {
  const manifest = await manifestFor(flags);
  const files = new Map(
    filesOf(manifest).map(({ url, sha256 }) => [sha256, remoteOf(manifest, url, sha256)]),
  );
  const checked = await inRun((run) => verifyCache(cache, (sha256) => files.get(sha256)?.image, run));
  const bad = checked.filter(({ verdict }) => verdict === "bad");
  const unknown = checked.filter(({ verdict }) => verdict === "unknown");
  for (const { asset, path, problem } of bad) process.stdout.write(`${asset}: ${problem} (${path})\n`);
  for (const { asset, path } of unknown) {
    process.stderr.write(
      `warning: ${asset} cannot be checked, because an earlier version cached it without its hash; to download it ` +
        `again, delete ${path}\n`,
    );
  }
  const good = checked.length - bad.length - unknown.length;
  process.stderr.write(
    bad.length === 0
      ? `${good} cached files have the right bytes\n`
      : `${bad.length} of ${checked.length} cached files are bad, and are not used: \`smolvm prune\` removes damaged ones, and the next pull downloads them again\n`,
  );
  if (bad.length > 0) process.exitCode = 1;
}

/** The manifest that is given, or else the default one with the locally built images. */
const manifestFor = ({ manifest: from, ...options }: ManifestFlags): Promise<Manifest> =>
  inRun(async (run) =>
    from === undefined
      ? await lookUp((manifest) => manifest, run, undefined, options)
      : await loadManifest(from, run.signal, options),
  );

/** One row per root file system. An image has the same one for all VMMs. */
function offered(manifest: Manifest) {
  const { bases, images } = manifest;
  const rows = [
    ...bases.map((row) => ({ name: "base", ...row })),
    ...images.map((row) => ({ name: row.preset, ...row })),
  ].map(({ name, flavor, arch, rootfs_url: url, rootfs_sha256: sha256 }) => ({
    ...{ name, flavor, arch, url, sha256, size: remoteOf(manifest, url, sha256).size ?? null },
  }));
  return [...new Map(rows.map((row) => [row.sha256, row])).values()];
}

const namesOf = (manifest: Manifest) => new Set(filesOf(manifest).map(({ sha256 }) => sha256));

interface PruneFlags extends ManifestFlags {
  readonly flavor?: string;
  readonly olderThan?: number;
  readonly orphans?: true;
  readonly dryRun?: true;
  readonly cache?: string;
}

export const pruneCommand = withManifestOptions(
  new Command("prune")
    .option("--flavor <name>", "remove images of this flavor")
    .option(
      "--older-than <days>",
      `remove images that were not used for this many days (${range(BOUNDS.olderThanDays)})`,
      wholeNumber(BOUNDS.olderThanDays),
    )
    .option("--orphans", "remove images that are not in the manifest")
    .option("--dry-run", "only print what would be removed"),
)
  .option(...CACHE)
  .action(async (flags: PruneFlags) => {
    const cache = new Cache(flags.cache);
    const named = flags.orphans ? namesOf(await manifestFor(flags)) : undefined;
    const since = flags.olderThan === undefined ? undefined : Date.now() - flags.olderThan * 86_400_000;
    const inUse = await usedByMachines();
    const wanted = (entry: Cached) =>
      !inUse.has(entry.path) &&
      ((flags.flavor !== undefined && entry.flavor === flags.flavor) ||
        (since !== undefined && entry.usedAt.getTime() < since) ||
        (named !== undefined && !named.has(entry.sha256)));
    const { leftovers, removed } = await inRun(async (run) => {
      const unused = await cache.leftovers(run);
      const unwanted = (await cache.list(run)).filter(wanted);
      if (flags.dryRun) return { leftovers: unused, removed: unwanted };
      for (const entry of unwanted) await cache.remove(entry);
      for (const path of unused) await cache.removeLeftover(path, run);
      return { leftovers: unused, removed: unwanted };
    });
    for (const path of [...removed.map((entry) => entry.path), ...leftovers])
      process.stdout.write(`${path}\n`);
    const freed = removed.reduce((sum, { onDisk }) => sum + onDisk, 0);
    const would = flags.dryRun ? "would be removed" : "removed";
    process.stderr.write(
      `${removed.length} images and ${leftovers.length} leftovers ${would}, ${humanBytes(freed)}\n`,
    );
  });
