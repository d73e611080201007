import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import Docker from "dockerode";
import { beforeAll, describe, expect, it } from "vitest";
import { exportImage } from "../../pipeline/image/docker/container-image.ts";
import { buildNetwork } from "../../pipeline/image/docker/network.ts";
import { spoolImage } from "../../pipeline/image/docker/spool-image.ts";
import { runTool } from "../../pipeline/image/docker/tool.ts";
import { ensureTools } from "../../pipeline/image/docker/tools-image.ts";
import { indexTar } from "../../pipeline/image/rootfs/tar-index.ts";
import { readCells } from "../../pipeline/runtime/read-cells.ts";
import { REPOSITORY } from "../support/project.ts";
import { tempDirectory } from "../support/run.ts";
import { silentRun } from "../support/silent.ts";

const MIB = Buffer.alloc(1 << 20);

/** All that an image takes from a tar, by path, with the hashes of the files. What Docker adds has the time of its container. */
async function contentOf(path: string) {
  await using file = await open(path);
  const { signal } = silentRun();
  const result = new Map<string, unknown>();
  for (const [name, { content, ...entry }] of [...(await indexTar(file, signal))].sort()) {
    const bytes = content && Buffer.alloc(content.size);
    if (bytes) await file.read(bytes, 0, bytes.length, content.offset);
    const mtime = Math.min(entry.mtime, readCells(REPOSITORY).source_date_epoch);
    result.set(name, { ...entry, mtime, sha256: bytes && createHash("sha256").update(bytes).digest("hex") });
  }
  return result;
}

describe("a tool container", () => {
  let image: string;
  beforeAll(async () => {
    const { tools, source_date_epoch: sourceDateEpoch } = readCells(REPOSITORY);
    const network = buildNetwork({ extraCa: process.env.NODE_EXTRA_CA_CERTS }, process.env);
    const options = { root: REPOSITORY, cache: tmpdir(), sourceDateEpoch, network };
    image = await ensureTools(new Docker(), tools, options, silentRun());
  });

  const run = (script: string, stdin?: Readable) =>
    runTool(
      new Docker(),
      { image, work: tmpdir(), command: ["sh", "-c", script], ...(stdin ? { stdin } : {}) },
      silentRun(),
    );

  it("has mke2fs of 1.47.1 or newer, zstd, Node 24 and npm", async () => {
    const { output } = await run("mke2fs -V; zstd --version; node --version; npm --version");
    expect(output).toMatch(/mke2fs 1\.(47\.[1-9]|4[89]|[5-9]\d)/);
    expect(output).toMatch(/Zstandard CLI.* v1\.\d+/);
    expect(output).toMatch(/^v24\.\d+\.\d+$/m);
    expect(output).toMatch(/^11\.\d+\.\d+$/m);
  });

  it("gives back what a command said on both channels, and its exit code", async () => {
    const { exitCode, output } = await run("echo out; echo err >&2; exit 3");
    expect(exitCode).toBe(3);
    // Two channels: which of them is heard first is not said.
    expect(output.trim().split("\n").sort()).toEqual(["err", "out"]);
  });

  it("takes its whole input", async () => {
    expect(await run("wc -c", Readable.from([MIB, MIB]))).toEqual({ exitCode: 0, output: "2097152\n" });
  });

  it("may end before it has taken all of its input", async () => {
    const endless = Readable.from(
      (function* () {
        for (;;) yield MIB;
      })(),
    );
    expect(await run("head -c 10 | wc -c; exit 4", endless)).toEqual({ exitCode: 4, output: "10\n" });
  });

  it("reads the file system of a container image as docker export gives it", async () => {
    const [directory, docker] = [tempDirectory(), new Docker()];
    const path = (name: string) => join(directory, name);
    await spoolImage(docker, image, { tools: image, directory, name: "layers" }, silentRun());
    await pipeline(await exportImage(docker, image, silentRun()), createWriteStream(path("export")));
    const [layers, exported] = await Promise.all([contentOf(path("layers")), contentOf(path("export"))]);
    expect(layers.size).toBeGreaterThan(1000);
    expect(layers).toEqual(exported);
    // GNU tar's records, and not those of Docker, show which of the two has read it.
    expect(await readFile(path("layers"))).not.toEqual(await readFile(path("export")));
    const { Volumes } = await docker.listVolumes();
    expect(Volumes.filter(({ Options }) => Options?.type === "overlay")).toEqual([]);
  });

  it("is ended when its input fails, with that failure", async () => {
    const failing = Readable.from(
      (async function* () {
        yield MIB;
        throw new Error("the spool is gone");
      })(),
    );
    await expect(run("cat >/dev/null", failing)).rejects.toThrow("the spool is gone");
  });
});
