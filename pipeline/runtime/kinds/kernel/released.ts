import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { KernelCell } from "../../../schema/cells.ts";
import { Sha256 } from "../../../schema/digest.ts";
import { KERNEL_FORMATS, type KernelFormat, kernelAsset } from "../../../schema/names.ts";
import type { RecordedDigests } from "../../../schema/recorded-digests.ts";
import type { ReleaseStore } from "../../../stores/store.ts";
import { PipelineError } from "../../../util/error.ts";
import type { Run } from "../../../util/progress.ts";
import { readRecord } from "../../../util/record.ts";

/** A kernel of a release, to boot images with. Its directory has `elf` and `image`. */
const Released = z.strictObject({
  /** The tag of the release. */
  tag: z.string(),
  /** The sha256 of each format. */
  sha256: z.strictObject({ elf: Sha256, image: Sha256 }),
});
type ReleasedKernel = z.infer<typeof Released> & { readonly directory: string };

const RECORD = "released.json";
/** Beside the kernel that is compiled, and not in its place: a released one lacks the probe and the configuration. */
const besides = (kernel: string) => `${kernel}-released`;

/**
 * The kernel of a cell from a release, if `saveReleased` has saved it; otherwise undefined.
 * @param kernel the cache directory of the cell (`kernelDirectory`)
 */
export async function releasedKernel(kernel: string): Promise<ReleasedKernel | undefined> {
  const directory = besides(kernel);
  const known = await readRecord(join(directory, RECORD), Released);
  return known && { ...known, directory };
}

/**
 * Saves both formats of a kernel from the release that has recorded them, each checked against its recorded sha256. Cells
 * of the same inputs are then booted with it, and nothing is compiled.
 * @param kernel the cache directory of the cell (`kernelDirectory`)
 * @throws PipelineError when the release does not have them, or has other bytes
 */
export async function saveReleased(
  kernel: string,
  cell: KernelCell,
  { digests, store }: { readonly digests: RecordedDigests; readonly store: ReleaseStore },
  run: Run,
): Promise<void> {
  const { tag, assets } = digests;
  const names = KERNEL_FORMATS.map((format) => kernelAsset(cell.arch, format));
  const release = await store.find(tag);
  const present = release ? await store.assets(release, names) : [];
  const directory = besides(kernel);
  // Renamed when complete, so that the cache never has a part of a kernel.
  const partial = `${directory}.${process.pid}.partial`;
  try {
    await mkdir(partial, { recursive: true });
    const sha256: Partial<Record<KernelFormat, string>> = {};
    for (const format of KERNEL_FORMATS) {
      const name = kernelAsset(cell.arch, format);
      const from = present.find((asset) => asset.name === name && asset.complete);
      const recorded = Object.hasOwn(assets, name) ? assets[name] : undefined;
      if (!from || !recorded) {
        throw new PipelineError(`${tag} on ${store.name} has no ${name}`, {
          ...{ code: "not-offered", fix: `compile it: \`npx smolvm-images cell ${cell.id}\`` },
        });
      }
      run.progress.step(`download ${name} of ${tag}`);
      await store.save({ name, size: recorded.size, sha256: recorded.sha256, from }, join(partial, format));
      sha256[format] = recorded.sha256;
    }
    await writeFile(join(partial, RECORD), JSON.stringify({ tag, sha256 }));
    await rm(directory, { recursive: true, force: true });
    await rename(partial, directory);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}
