import type { Manifest } from "../schema/manifest.ts";
import { ARCHS, KERNEL_FORMATS, type KernelFormat, VMMS } from "../schema/names.ts";
import { unique } from "../util/unique.ts";
import { renamed } from "./manifest-names.ts";
import { marker } from "./marker.ts";

export const PUBLISHED_IMAGES_PATH = "out/published_images.py";

/** The rows of a manifest under the names that a reader expects. */
export interface PythonOptions {
  /** The name of the field that has the flavor. @default flavor */
  readonly field?: string | undefined;
  /** The first line, a comment. @default the mark of a generated file */
  readonly firstLine?: string | undefined;
}

/**
 * The rows of a manifest as a Python module: `MANIFEST` by preset, arch, VMM and flavor, and `BASE_KERNELS` by arch. It
 * imports nothing but `typing`, and needs Python 3.9.
 */
export function publishedImages(
  { tag, repository, kernels, images }: Manifest,
  { field = "flavor", firstLine = marker("#") }: PythonOptions = {},
): string {
  const presets = unique(images.map(({ preset }) => preset));
  const flavors = unique(images.map(({ flavor }) => flavor));
  const rows = images.map((row) => {
    const key = [row.preset, row.arch, row.vmm, row.flavor].map(text).join(", ");
    return entry(`(${key})`, Object.entries(renamed(row, field)));
  });
  const baseKernels = ARCHS.flatMap((arch) => {
    const of = (format: KernelFormat) => kernels.find((row) => row.arch === arch && row.format === format);
    const both = KERNEL_FORMATS.map((format) => [format, of(format)] as const);
    if (both.some(([, row]) => row === undefined)) return [];
    const files = both.flatMap(([format, row]) => [
      [`${format}_url`, row!.url],
      [`${format}_sha256`, row!.sha256],
    ]);
    return [entry(text(arch), [["arch", arch], ...files])];
  });
  return `${firstLine}
${text(`Images that are published at ${tag} of ${repository}.`)}

from typing import Dict, Literal, Tuple, TypedDict

IMAGES_RELEASE_TAG = ${text(tag)}

Preset = ${literal(presets)}
Arch = ${literal(ARCHS)}
Vmm = ${literal(VMMS)}
Flavor = ${literal(flavors)}

PublishedImage = TypedDict(
    "PublishedImage",
    {
        "preset": Preset,
        "arch": Arch,
        "vmm": Vmm,
        ${text(field)}: Flavor,
        "kernel_url": str,
        "kernel_sha256": str,
        "rootfs_url": str,
        "rootfs_sha256": str,
    },
)

BaseKernel = TypedDict(
    "BaseKernel",
    {
        "arch": Arch,
        "elf_url": str,
        "elf_sha256": str,
        "image_url": str,
        "image_sha256": str,
    },
)

BASE_KERNELS: Dict[Arch, BaseKernel] = ${table(baseKernels)}

MANIFEST: Dict[Tuple[Preset, Arch, Vmm, Flavor], PublishedImage] = ${table(rows)}
`;
}

/** A Python string. JSON's escapes are also Python's. */
const text = (value: string) => JSON.stringify(value);

/** A type with these values; without any, plain text: `Literal` needs at least one. */
const literal = (values: readonly string[]) =>
  values.length === 0 ? "str" : `Literal[${values.map(text).join(", ")}]`;

const entry = (key: string, fields: readonly (readonly string[])[]): string =>
  [
    `    ${key}: {`,
    ...fields.map(([name = "", value = ""]) => `        ${text(name)}: ${text(value)},`),
    "    },",
  ].join("\n");

const table = (entries: readonly string[]) => (entries.length === 0 ? "{}" : `{\n${entries.join("\n")}\n}`);
