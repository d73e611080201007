import type { Cells } from "../schema/cells.ts";
import { ofKind } from "../schema/kinds/index.ts";
import type { ImageRow, Manifest } from "../schema/manifest.ts";
import { kernelFormatOf, nameError } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";

/** A row with the flavor's field under another name, in its place. */
export const renamed = <T extends { readonly flavor: string }>(row: T, field: string) =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]): [string, string] => [name === "flavor" ? field : name, value]),
  );

/** A manifest whose rows have the flavor's field under another name. */
export function renamedManifest(manifest: Manifest, field: string) {
  const all = <T extends { readonly flavor: string }>(rows: readonly T[]) =>
    rows.map((row) => renamed(row, field));
  const { bases, images, refused } = manifest;
  return { ...manifest, bases: all(bases), images: all(images), refused: all(refused) };
}

const FIELDS = [
  ...["preset", "arch", "vmm", "kernel_url", "kernel_sha256", "rootfs_url", "rootfs_sha256", "reason"],
];

/** @throws PipelineError when the flavor's field cannot have this name */
export function checkField(field: string): void {
  if (/^[a-z][a-z0-9_]*$/.test(field) && !FIELDS.includes(field)) return;
  throw new PipelineError(`--field "${field}" cannot be the name of the flavor's field`, {
    fix: `use lower-case letters, digits and "_", such as os, and none of ${FIELDS.join(", ")}`,
  });
}

/**
 * A manifest in which the base of the default flavor is also offered as a preset, in rows after the others.
 * @param cells the cells that the manifest was made from: they have the default flavor, and the VMMs of its base
 * @throws PipelineError when the name is not valid, or another preset has it
 */
export function withBasePreset(
  manifest: Manifest,
  { cells, default_flavor: flavor }: Cells,
  preset: string,
): Manifest {
  const wrong = nameError("preset", preset);
  const taken = ofKind(cells, "preset").some((cell) => cell.preset === preset);
  if (wrong !== undefined || taken) {
    throw new PipelineError(`--base-preset: ${wrong ?? `there is a preset "${preset}"`}`, {
      fix: "give a name for the image without an agent, such as the default flavor's",
    });
  }
  const rows = ofKind(cells, "base")
    .filter((cell) => cell.flavor === flavor)
    .flatMap(({ arch, vmms }) =>
      vmms.flatMap((vmm): ImageRow[] => {
        const format = kernelFormatOf(vmm, arch);
        const kernel = manifest.kernels.find((row) => row.arch === arch && row.format === format);
        const base = manifest.bases.find((row) => row.arch === arch && row.flavor === flavor);
        if (!kernel || !base) return [];
        const { rootfs_url, rootfs_sha256 } = base;
        const files = { kernel_url: kernel.url, kernel_sha256: kernel.sha256, rootfs_url, rootfs_sha256 };
        return [{ preset, arch, vmm, flavor, ...files }];
      }),
    );
  return { ...manifest, images: [...manifest.images, ...rows] };
}
