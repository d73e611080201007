import { z } from "zod";
import { type Package, PackageType, UNKNOWN_VERSION } from "./facts.ts";

/** The maximum size of an inventory, bytes: the largest that `actions/attest` takes (`sbom-path` in its action.yml). */
export const MOST_SBOM_BYTES = 16 << 20;

/** The property of an inventory's subject that names a large file of the image: `118293456 usr/bin/node`, in bytes. */
export const FILE_PROPERTY = "smolvm:file";
export const fileProperty = (path: string, bytes: number): string => `${bytes} ${path}`;

/** What is read of an inventory. CycloneDX has more. */
const CycloneDx = z.looseObject({
  bomFormat: z.literal("CycloneDX"),
  metadata: z.looseObject({
    component: z.looseObject({
      // Part of ids and names of files, so it can stand in any text.
      name: z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "is not the id of a cell"),
      properties: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })).optional(),
    }),
  }),
  components: z
    .array(
      z.looseObject({
        name: z.string(),
        version: z.string().optional(),
        purl: z.string().optional(),
        scope: z.string().optional(),
        licenses: z
          .array(
            z.looseObject({
              expression: z.string().optional(),
              license: z.looseObject({ id: z.string().optional(), name: z.string().optional() }).optional(),
            }),
          )
          .optional(),
      }),
    )
    .optional(),
});

/** A package, with what it may be used under. */
interface ListedPackage extends Package {
  /** SPDX ids or expressions, and names of licences that have none; empty if none is known. */
  readonly licenses: readonly string[];
}

/** What an inventory says of a cell. */
export interface Inventory {
  /** The id of the cell. */
  readonly id: string;
  /** What is in the asset; not the tools that made it. */
  readonly packages: readonly ListedPackage[];
  /** The sizes of large files, bytes by path; undefined if an earlier version wrote the inventory, or for a kernel. */
  readonly files: Readonly<Record<string, number>> | undefined;
}

/** @throws ZodError for JSON that is not the inventory of a cell */
export function readInventory(content: unknown): Inventory {
  const { metadata, components = [] } = CycloneDx.parse(content);
  const files = (metadata.component.properties ?? []).flatMap(({ name, value = "" }) => {
    const [, bytes, path] = /^(\d{1,15}) (.+)$/s.exec(value) ?? [];
    return name === FILE_PROPERTY && path !== undefined ? [[path, Number(bytes)] as const] : [];
  });
  const packages = components.flatMap((component): ListedPackage[] => {
    const { name, version = UNKNOWN_VERSION, purl = "", scope } = component;
    const type = PackageType.safeParse(/^pkg:([a-z]+)\//.exec(purl)?.[1]);
    if (!type.success || scope === "excluded") return [];
    const licenses = (component.licenses ?? []).flatMap(
      ({ expression, license }) => expression ?? license?.id ?? license?.name ?? [],
    );
    return [{ type: type.data, name, version, licenses }];
  });
  return {
    id: metadata.component.name,
    packages,
    files: files.length > 0 ? Object.fromEntries(files) : undefined,
  };
}
