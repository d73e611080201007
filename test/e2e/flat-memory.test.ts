import { execFile } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import { REPOSITORY } from "../support/project.ts";
import { tempDirectory } from "../support/run.ts";
import { tarOf } from "../support/tar.ts";

const GIB = 2 ** 30;
const LIMIT_MIB = 300;
/** A third of what a Debian with Node and an agent has. */
const SMALL_FILES = 10_000;
/** What ends a tar, bytes. */
const TRAILER = 1024;

/** Lists a tar as fast as one can be made: 1024 files of a MiB. */
const LIST = `
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import { indexTar } from "./pipeline/image/rootfs/tar-index.ts";

const MIB = 2 ** 20;
const archive = pack();
archive.entry({ name: "file-0000" }, Buffer.alloc(MIB));
archive.finalize();
const one = (await buffer(archive)).subarray(0, 512);
async function* tar() {
  for (let number = 0; number < 1024; number++) {
    const header = Buffer.from(one);
    header.write(String(number).padStart(4, "0"), 5);
    header.fill(" ", 148, 156);
    header.write(header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0") + "\\0 ", 148);
    yield header;
    // Each of its own, so that keeping them would show.
    yield Buffer.alloc(MIB, number);
  }
  yield Buffer.alloc(1024);
}
const index = await indexTar(Readable.from(tar()), new AbortController().signal);
const bytes = [...index.values()].reduce((sum, { content }) => sum + content.size, 0);
const peakMib = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(JSON.stringify({ entries: index.size, bytes, peakMib }));
`;

/** What the build stage does with a spooled tar. */
const REPACK = `
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { Audit } from "./pipeline/image/rootfs/audit.ts";
import { normalise, toTar } from "./pipeline/image/rootfs/normalise.ts";
import { indexTar } from "./pipeline/image/rootfs/tar-index.ts";

const index = await indexTar(createReadStream(process.env.SPOOL), new AbortController().signal);
const spool = await open(process.env.SPOOL);
const rootfs = await normalise(index, spool, { baseOrder: [], epoch: 1_700_000_000 });
const audit = new Audit({ arch: "amd64", program: null, secrets: [{ name: "a token", value: "not-in-any-of-these-files" }] });
let read = 0;
const tar = toTar(rootfs, (entry, chunk) => {
  read += chunk.length;
  audit.chunk(entry, chunk);
});
// Whoever takes the tar may be slow to begin: what is read ahead for it must come to rest.
for (let before = -1; before !== read; ) {
  before = read;
  await new Promise((resolve) => setTimeout(resolve, 50));
}
let bytes = 0;
for await (const chunk of tar) bytes += chunk.length;
await spool.close();
const peakMib = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(JSON.stringify({ entries: rootfs.entries.length, bytes, peakMib }));
`;

/** The tar header of a file whose bytes are not there. */
async function headerOf(name: string, size: number): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name, size });
  const output = archive as unknown as Readable;
  await once(output, "readable");
  return output.read() as Buffer;
}

/** Many small files, and a large one, the first in order: a hole, so that it takes no room on the disk. */
async function writeTar(path: string): Promise<number> {
  const files = Array.from({ length: SMALL_FILES }, (_, number) => ({
    name: `opt/file-${number}`,
    body: `${number}`.repeat(100),
  }));
  const small = (await tarOf([{ name: "opt/" }, ...files])).subarray(0, -TRAILER);
  const header = await headerOf("opt/a-large-file", GIB);
  await using file = await open(path, "w");
  await file.write(small);
  await file.write(header);
  const size = small.length + header.length + GIB + TRAILER;
  await file.truncate(size);
  return size;
}

interface Measured {
  readonly entries: number;
  readonly bytes: number;
  readonly peakMib: number;
}

/** Runs a program in a process of its own with tsx, as the command line is. */
async function measured(program: string, env: NodeJS.ProcessEnv = {}): Promise<Measured> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", program],
    { cwd: REPOSITORY, env: { ...process.env, ...env } },
  );
  return JSON.parse(stdout);
}

describe("a root file system of a gigabyte and more", () => {
  it(`is listed in less than ${LIMIT_MIB} MiB of memory, however fast it comes`, async () => {
    const { entries, bytes, peakMib } = await measured(LIST);
    expect([entries, bytes]).toEqual([1024, GIB]);
    expect(peakMib).toBeLessThan(LIMIT_MIB);
  });

  it(`goes from tar to tar in less than ${LIMIT_MIB} MiB of memory`, async () => {
    const path = join(tempDirectory(), "spool.tar");
    const size = await writeTar(path);
    const { entries, bytes, peakMib } = await measured(REPACK, { SPOOL: path });
    expect(entries).toBe(1 + SMALL_FILES + 1);
    expect(bytes).toBe(size);
    expect(peakMib).toBeLessThan(LIMIT_MIB);
  });
});
