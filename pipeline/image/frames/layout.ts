import { type FileHandle, open } from "node:fs/promises";
import { PipelineError } from "../../util/error.ts";
import { BLOCK } from "./blocks.ts";
import type { Places } from "./cut.ts";

/** Files of an image at which frames begin or end. Paths without a slash in front; one that does not exist is ignored. */
export interface Landmarks {
  /** Files with frames of their own. */
  readonly apart: readonly string[];
  /** Files after which a frame ends: the last one that a preset has from its base. */
  readonly last: readonly string[];
}

/** A file of this size (bytes) begins a frame, and ends one: a program changes as a whole, and what is beside it does not. */
const LARGE = 16 << 20;

/** The numbers of the inodes that hold the root directory, and the first file or directory of the tar. */
const ROOT = 2;
const FIRST = 11;
const [DIRECTORY, FILE] = [4, 8];
const USES_EXTENTS = 0x80000;
const EXTENT_MAGIC = 0xf30a;

interface Inode {
  readonly number: number;
  readonly type: number;
  /** Bytes. */
  readonly size: number;
  /** Runs of blocks with content, in the order of the file. */
  readonly extents: readonly Extent[];
}

interface Extent {
  readonly start: number;
  readonly blocks: number;
}

/**
 * The places in an ext4 image where frames should be cut: around the copies of the superblock,
 * which differ between images in the middle of equal data, between directories and files, around large files, and at
 * the landmarks.
 * @throws PipelineError if it is no ext4 image as this project makes them
 */
export async function placesIn(path: string, landmarks: Landmarks): Promise<Places> {
  await using file = await open(path);
  const fs = await FileSystem.open(file, path);
  const marks = new Set<number>(fs.superblocks());
  const large: [number, number][] = [];
  let firstFile = Number.POSITIVE_INFINITY;
  for await (const inode of fs.inodes()) {
    if (inode.type !== FILE || inode.extents.length === 0 || inode.number === fs.orphans) continue;
    const [start, end] = rangeOf(inode);
    firstFile = Math.min(firstFile, start);
    if (inode.size < LARGE) continue;
    marks.add(start).add(end);
    large.push([start, end]);
  }
  if (firstFile !== Number.POSITIVE_INFINITY) marks.add(firstFile);
  for (const [paths, before] of [[landmarks.apart, true] as const, [landmarks.last, false] as const]) {
    for (const each of paths) {
      const inode = await fs.lookUp(each);
      if (!inode || inode.extents.length === 0) continue;
      const [start, end] = rangeOf(inode);
      marks.add(end);
      if (before) marks.add(start);
    }
  }
  return { marks: [...marks].sort((a, b) => a - b), large };
}

/** The first block of a file, and the one after its last. */
const rangeOf = ({ extents }: Inode): [number, number] => [
  Math.min(...extents.map(({ start }) => start)),
  Math.max(...extents.map(({ start, blocks }) => start + blocks)),
];

/** Reads what is needed of an ext4 file system, as https://www.kernel.org/doc/html/latest/filesystems/ext4 describes it. */
class FileSystem {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #superblock: Buffer;
  readonly #groups: Buffer;
  readonly #groupSize: number;
  readonly #inodeSize: number;

  private constructor(file: FileHandle, path: string, superblock: Buffer, groups: Buffer) {
    this.#file = file;
    this.#path = path;
    this.#superblock = superblock;
    this.#groups = groups;
    this.#groupSize = superblock.readUInt16LE(0xfe);
    this.#inodeSize = superblock.readUInt16LE(0x58);
  }

  static async open(file: FileHandle, path: string): Promise<FileSystem> {
    const superblock = (await read(file, path, 0, BLOCK)).subarray(1024, 2048);
    const size = 1024 << superblock.readUInt32LE(0x18);
    if (superblock.readUInt16LE(0x38) !== 0xef53 || size !== BLOCK) {
      throw new PipelineError(`${path} is no ext4 image with blocks of ${BLOCK} bytes`);
    }
    const blocks = superblock.readUInt32LE(4);
    const count = Math.ceil(blocks / superblock.readUInt32LE(0x20));
    const groups = await read(file, path, BLOCK, count * superblock.readUInt16LE(0xfe));
    return new FileSystem(file, path, superblock, groups);
  }

  /** The inode of the file in which a running system notes what it deletes; 0 if there is none. It is before the directories. */
  get orphans(): number {
    return this.#superblock.readUInt32LE(0x280);
  }

  get #count(): number {
    return this.#groups.length / this.#groupSize;
  }

  get #inodesPerGroup(): number {
    return this.#superblock.readUInt32LE(0x28);
  }

  /** Where each copy of the superblock and of the groups' descriptors begins and ends. */
  superblocks(): number[] {
    const perGroup = this.#superblock.readUInt32LE(0x20);
    const length = 1 + Math.ceil(this.#groups.length / BLOCK);
    return Array.from({ length: this.#count }, (_, group) => group)
      .filter((group) => group === 1 || [3, 5, 7].some((base) => isPower(group, base)))
      .flatMap((group) => [group * perGroup, group * perGroup + length]);
  }

  /** Every file and directory. */
  async *inodes(): AsyncIterable<Inode> {
    for (let group = 0; group < this.#count; group++) {
      const unused = this.#groups.readUInt16LE(group * this.#groupSize + 0x1c);
      const used = this.#inodesPerGroup - unused;
      if (used === 0) continue;
      const table = await this.#read(this.#tableOf(group) * BLOCK, used * this.#inodeSize);
      for (let index = 0; index < used; index++) {
        const number = group * this.#inodesPerGroup + index + 1;
        const bytes = table.subarray(index * this.#inodeSize, (index + 1) * this.#inodeSize);
        const inode = number < FIRST ? undefined : await this.#parse(number, bytes);
        if (inode) yield inode;
      }
    }
  }

  /** The file or directory at a path; undefined if there is none. */
  async lookUp(path: string): Promise<Inode | undefined> {
    let inode = await this.#inode(ROOT);
    for (const name of path.split("/")) {
      if (inode?.type !== DIRECTORY) return undefined;
      const number = await this.#find(inode, name);
      if (number === undefined) return undefined;
      inode = await this.#inode(number);
    }
    return inode;
  }

  async #find({ extents }: Inode, name: string): Promise<number | undefined> {
    for (const { start, blocks } of extents) {
      const entries = await this.#read(start * BLOCK, blocks * BLOCK);
      for (let at = 0; at + 8 <= entries.length; ) {
        const length = entries.readUInt16LE(at + 4);
        if (length < 8) break;
        const [number, end] = [entries.readUInt32LE(at), at + 8 + entries[at + 6]!];
        if (number !== 0 && entries.toString("utf8", at + 8, end) === name) return number;
        at += length;
      }
    }
    return undefined;
  }

  async #inode(number: number): Promise<Inode | undefined> {
    const [group, index] = [
      Math.floor((number - 1) / this.#inodesPerGroup),
      (number - 1) % this.#inodesPerGroup,
    ];
    const at = this.#tableOf(group) * BLOCK + index * this.#inodeSize;
    return await this.#parse(number, await this.#read(at, this.#inodeSize));
  }

  async #parse(number: number, bytes: Buffer): Promise<Inode | undefined> {
    const type = bytes.readUInt16LE(0) >> 12;
    if (![DIRECTORY, FILE].includes(type) || (bytes.readUInt32LE(0x20) & USES_EXTENTS) === 0)
      return undefined;
    const size = bytes.readUInt32LE(4) + bytes.readUInt32LE(0x6c) * 2 ** 32;
    return { number, type, size, extents: await this.#extents(bytes.subarray(0x28, 0x64)) };
  }

  /** The extents of a node of an extent tree, and of the nodes below it. */
  async #extents(node: Buffer): Promise<Extent[]> {
    if (node.readUInt16LE(0) !== EXTENT_MAGIC) throw new PipelineError(`${this.#path} has a damaged inode`);
    const [count, depth] = [node.readUInt16LE(2), node.readUInt16LE(6)];
    const found: Extent[] = [];
    for (let at = 12; at < 12 + count * 12; at += 12) {
      if (depth === 0) {
        const blocks = node.readUInt16LE(at + 4);
        // More than 32768 stands for blocks that are reserved and not written.
        found.push({
          start: node.readUInt32LE(at + 8),
          blocks: blocks > 32768 ? blocks - 32768 : blocks,
        });
      } else {
        found.push(...(await this.#extents(await this.#read(node.readUInt32LE(at + 4) * BLOCK, BLOCK))));
      }
    }
    return found;
  }

  #tableOf(group: number): number {
    return this.#groups.readUInt32LE(group * this.#groupSize + 8);
  }

  #read(at: number, length: number): Promise<Buffer> {
    return read(this.#file, this.#path, at, length);
  }
}

async function read(file: FileHandle, path: string, at: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at);
  if (bytesRead !== length) throw new PipelineError(`${path} ends at ${at + bytesRead} bytes`);
  return buffer;
}

function isPower(number: number, base: number): boolean {
  let power = base;
  while (power < number) power *= base;
  return power === number;
}
