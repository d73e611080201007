import { LISTED } from "../../schema/listing.ts";
import type { Arch } from "../../schema/names.ts";
import { type Component, listComponents } from "./components.ts";
import type { Rootfs } from "./normalise.ts";
import { npmPackages } from "./npm-packages.ts";
import { type Accounting, account } from "./ownership/account.ts";
import type { Recipe } from "./ownership/recipe.ts";
import { sbom } from "./sbom.ts";
import { unusedDeclarations } from "./unused.ts";

/** What is in a finished root file system. */
export interface Contents {
  readonly packages: readonly Component[];
  /** Its inventory, CycloneDX JSON. */
  readonly sbom: string;
  /** The size of all files, bytes. */
  readonly size: number;
  /** The larger files, bytes by path. */
  readonly files: Readonly<Record<string, number>>;
  readonly accounting: Accounting;
  /** What the recipe declares about its content that is not so, one line each. */
  readonly unused: readonly string[];
}

/**
 * Lists what is in a root file system, and to whom its files belong.
 * @param also what belongs to the image and is no file in it. @default none
 */
export async function contentsOf(
  rootfs: Rootfs,
  { recipe, arch, also = [] }: { recipe: Recipe; arch: Arch; also?: readonly Component[] },
): Promise<Contents> {
  const npm = await npmPackages(rootfs);
  const packages = [...(await listComponents(rootfs, npm, recipe)), ...also];
  const distribution = distributionOf(
    (await rootfs.read("etc/os-release")) ?? (await rootfs.read("usr/lib/os-release")),
  );
  const { size, files } = sizesOf(rootfs);
  const subject = { name: recipe.name, type: "rootfs", arch, distribution, files } as const;
  const accounting = await account(rootfs, { packages, npm, recipe });
  const unused = unusedDeclarations(recipe, packages, accounting);
  return { packages, sbom: sbom(subject, packages, recipe.omits), size, files, accounting, unused };
}

/** A file with several hard links counts once. */
function sizesOf(rootfs: Rootfs): Pick<Contents, "size" | "files"> {
  const files: Record<string, number> = {};
  const seen = new Set<object>();
  let size = 0;
  for (const entry of rootfs.entries) {
    if (!entry.content || seen.has(entry.content)) continue;
    seen.add(entry.content);
    const bytes = rootfs.sizeOf(entry);
    size += bytes;
    if (bytes >= LISTED) files[entry.path] = bytes;
  }
  return { size, files };
}

/** The id and the version of a distribution, from its os-release file. */
function distributionOf(osRelease = ""): { id: string; version: string } {
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]+)"?$`, "m").exec(osRelease)?.[1];
  return { id: field("ID") ?? "linux", version: field("VERSION_ID") ?? "" };
}
