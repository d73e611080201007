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

/** What the build stage does with a spooled tar, and with an image of its size. */
const REPACK = `
import { open } from "node:fs/promises";
import { sha256Sparse } from "./pipeline/image/formats/sparse.ts";
import { Audit } from "./pipeline/image/rootfs/audit.ts";
import { normalise, toTar } from "./pipeline/image/rootfs/normalise.ts";
import { indexTar } from "./pipeline/image/rootfs/tar-index.ts";

const spool = await open(process.env.SPOOL);
const index = await indexTar(spool, new AbortController().signal);
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
const { SPOOL: path } = process.env;
await sha256Sparse({ path, size: bytes, runs: [{ start: 0, end: bytes }] });
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
  it(`goes from tar to tar in less than ${LIMIT_MIB} MiB of memory`, async () => {
    const path = join(tempDirectory(), "spool.tar");
    const size = await writeTar(path);
    const { entries, bytes, peakMib } = await measured(REPACK, { SPOOL: path });
    expect(entries).toBe(1 + SMALL_FILES + 1);
    expect(bytes).toBe(size);
    expect(peakMib).toBeLessThan(LIMIT_MIB);
  });
});
