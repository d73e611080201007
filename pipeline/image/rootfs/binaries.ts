import type { FileHandle } from "node:fs/promises";
import type { Arch } from "../../schema/names.ts";
import { type Elf, parseElf, type ReadAt } from "./elf.ts";
import { FileTree } from "./file-tree.ts";
import type { Content, Entry, TarIndex } from "./tar-index.ts";

/** Whether a file may be a program or a library, by its mode or name. */
const mayBeBinary = ({ type, mode, path, content }: Entry) =>
  type === "file" &&
  content!.size >= 64 &&
  ((mode & 0o111) !== 0 || /\.(so|node|dylib|dll|exe)(\.|$)/.test(path));

/** Reads the content of a file in a spooled tar. */
export const readerOf =
  (spool: FileHandle, { offset, size }: Content): ReadAt =>
  async (at, length) => {
    const buffer = Buffer.alloc(Math.max(0, Math.min(length, size - at)));
    const { bytesRead } = await spool.read(buffer, 0, buffer.length, offset + at);
    return buffer.subarray(0, bytesRead);
  };

/** The ELF files of a root file system. */
export async function* elfFiles(
  entries: Iterable<Entry>,
  readAt: (entry: Entry) => ReadAt,
): AsyncIterable<[Entry, Elf]> {
  for (const entry of entries) {
    if (!mayBeBinary(entry)) continue;
    const elf = await parseElf(readAt(entry));
    if (elf) yield [entry, elf];
  }
}

/** Why an ELF file cannot be loaded in an image with these files; undefined if it can. */
export function whyNotLoadable(elf: Elf, arch: Arch, tree: FileTree): string | undefined {
  if (elf.arch !== arch) return `is for ${elf.arch}, but the image is for ${arch}`;
  if (elf.interpreter !== undefined && !tree.resolve(elf.interpreter)) {
    return `needs ${elf.interpreter}, which the image does not have${libcOf(elf.interpreter)}`;
  }
  const libc = elf.needed.find((name) => /^libc\./.test(name));
  if (libc === undefined || LIBRARIES.some((directory) => tree.resolve(`${directory}/${libc}`))) return;
  return `needs ${libc}, which the image does not have${libcOf(libc)}`;
}

/** The directories in which dynamic loaders look for a libc. */
const LIBRARIES = ["lib", "lib64", "usr/lib", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"];

const libcOf = (name: string) =>
  /musl/.test(name)
    ? " (it is built for musl)"
    : /ld-linux|libc\.so\.6/.test(name)
      ? " (it is built for glibc)"
      : "";

/** Where npm packages have prebuilt files, many of them for other systems. */
const PREBUILT = /^opt\/.*\/node_modules\//;

/** Magic numbers of programs that Linux does not run: PE, and Mach-O in its three forms. */
const FOREIGN_MAGIC = ["4d5a", "cffaedfe", "cafebabe", "feedface", "feedfacf"];

/** The paths of prebuilt files in npm packages that cannot be loaded on `arch` with the libc of this root file system. */
export async function foreignPrebuilts(
  index: TarIndex,
  spool: FileHandle,
  arch: Arch,
): Promise<ReadonlySet<string>> {
  const tree = new FileTree(index.values());
  const foreign = new Set<string>();
  for (const entry of index.values()) {
    if (!PREBUILT.test(entry.path) || !mayBeBinary(entry)) continue;
    const readAt = readerOf(spool, entry.content!);
    const elf = await parseElf(readAt);
    const magic = (await readAt(0, 4)).toString("hex");
    const native = /\.(node|dylib|dll|exe)$/.test(entry.path);
    if (
      elf ? whyNotLoadable(elf, arch, tree) : native && FOREIGN_MAGIC.some((each) => magic.startsWith(each))
    ) {
      foreign.add(entry.path);
    }
  }
  return foreign;
}
