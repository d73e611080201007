import { ARCHS } from "../../schema/names.ts";

/** `<name>-<arch>-<flavor>` or `<name>-<arch>`. */
const ID = new RegExp(`^(.+?)-(${ARCHS.join("|")})(?:-(.+))?$`);

/** The parts of a cell's id, also of a cell that is not declared any more; "" for a part that it does not have. */
export function partsOfId(id: string): Part {
  const [, name = id, arch = "", flavor = ""] = ID.exec(id) ?? [];
  return { name, arch, flavor };
}

/**
 * Ids of cells as a short text: `base, codex on alpine, ubuntu (amd64, arm64); kernel (amd64)`. Cells of the same archs share a
 * list.
 */
export function cellNames(ids: readonly string[]): string {
  const archs = merged(ids.map(partsOfId), ({ name, flavor }) => [name, flavor], "arch");
  const names = merged(archs, ({ flavor, arch }) => [flavor, arch], "name");
  const flavors = merged(names, ({ name, arch }) => [name, arch], "flavor");
  return flavors
    .map(({ name, arch, flavor }) => `${name}${flavor && ` on ${flavor}`}${arch && ` (${arch})`}`)
    .join("; ");
}

type Part = Readonly<Record<"name" | "arch" | "flavor", string>>;

/** Parts with the same key become one, which has the list of what is different. */
function merged(parts: readonly Part[], keyOf: (part: Part) => string[], field: keyof Part): Part[] {
  const found = new Map<string, Part[]>();
  for (const part of parts) {
    const key = JSON.stringify(keyOf(part));
    found.set(key, [...(found.get(key) ?? []), part]);
  }
  return [...found.values()].map((same) => ({
    ...same[0]!,
    [field]: [...new Set(same.map((part) => part[field]))].sort().join(", "),
  }));
}

/** What an asset is called: by its cell, or by its own name if the cell has other assets too, as kernels and appliances do. */
export const assetLabel = (cell: string, asset: string): string =>
  asset.endsWith("-rootfs.ext4.zst") ? cell : asset;
