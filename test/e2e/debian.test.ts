import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OWNER_LABEL } from "../../pipeline/image/docker/engine.ts";
import { toolsImage } from "../../pipeline/image/docker/tools-image.ts";
import { declareImages } from "../../pipeline/images.ts";
import { readCells } from "../../pipeline/runtime/read-cells.ts";
import { RootfsFacts } from "../../pipeline/schema/facts.ts";
import { dataSize, decodeTable, type Frame } from "../../pipeline/schema/frames.ts";
import { generateKey, keyParameter, login, runCommand } from "../../pipeline/vm/ssh.ts";
import { describeInit } from "../support/init-suite.ts";
import { startMachine } from "../support/machine.ts";
import { cli, Project } from "../support/project.ts";
import { runInTools } from "../support/tools.ts";

const BASE = "base-amd64-debian";
const CODEX = "codex-amd64-debian";
const QUICK = ["--level", "1"];

let project: Project;
let store: string;
/** What is no release's: a store takes a directory that is empty or a release's. */
let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "smolvm-scratch-"));
  project = new Project(declareImages);
  store = mkdtempSync(join(tmpdir(), "smolvm-store-"));
});
afterAll(() => {
  project.remove();
  for (const directory of [store, scratch]) rmSync(directory, { recursive: true, force: true });
});

const cell = (...args: string[]) => cli(project.root, ["cell", ...args, "--store", `dir:${store}`]);
const image = (id: string) => join(project.root, "out/images", id, "rootfs.ext4");
const factsOf = (id: string) =>
  RootfsFacts.parse(JSON.parse(readFileSync(join(store, `${id}-rootfs.ext4.zst.json`), "utf8")));
const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

describe("debian, from the archive to a staged image", () => {
  let imageSha: Record<string, string>;

  it("builds a base and a preset from scratch, in flat memory", async () => {
    const rss = join(scratch, "rss");
    const built = await cli(project.root, ["cell", BASE, CODEX, "--stage", "build", "--no-cache", ...QUICK], {
      env: {
        NODE_OPTIONS: `--import ${join(import.meta.dirname, "../support/peak-rss.mjs")}`,
        PEAK_RSS_FILE: rss,
      },
    });
    expect(built.stderr).toContain(`${CODEX}: built, not verified yet`);
    expect(built.exitCode).toBe(0);
    // The contract: under 300 MiB for a root file system of 1 GB.
    expect(Number(readFileSync(rss, "utf8"))).toBeLessThan(300 * 1024);
    imageSha = Object.fromEntries([BASE, CODEX].map((id) => [id, buildSha(id)]));
  });

  it("gives the preset all bytes that it has from the base as the base's asset has them", () => {
    const known = new Set(framesOf(BASE).map(({ sha256 }) => sha256));
    const codex = framesOf(CODEX);
    const own = codex.filter((frame) => !known.has(frame.sha256));
    const bytes = (frames: readonly Frame[]) => frames.reduce((sum, { size }) => sum + size, 0);
    expect(bytes(own) / bytes(codex)).toBeLessThan(0.6);
  });

  it("gives the same bytes when both are built from scratch again, elsewhere", async () => {
    const elsewhere = new Project(declareImages);
    try {
      const again = await cli(
        elsewhere.root,
        ["cell", BASE, CODEX, "--stage", "build", "--no-cache", ...QUICK],
        {
          env: { TZ: "Pacific/Auckland", LC_ALL: "C" },
        },
      );
      expect(again.exitCode, again.stderr).toBe(0);
      expect(buildSha(BASE, elsewhere)).toBe(imageSha[BASE]);
      expect(buildSha(CODEX, elsewhere)).toBe(imageSha[CODEX]);
    } finally {
      elsewhere.remove();
    }
  });

  it("makes an ext4 file system that is clean and labelled, and keeps the base's order in the preset", async () => {
    const work = join(project.root, "out/images");
    const tools = toolsImage(readCells(project.root).tools);
    const check = await runInTools(
      tools,
      work,
      `e2fsck -fn /work/${CODEX}/rootfs.ext4 && dumpe2fs -h /work/${CODEX}/rootfs.ext4`,
    );
    expect(check.output).toMatch(/Filesystem volume name:\s+smolvm-rootfs/);
    expect(check.exitCode).toBe(0);
    // Most of the base's non-zero blocks are in the preset as well: deltas live on that.
    const blocks = blockHashes(image(BASE));
    const shared = [...blockHashes(image(CODEX))].filter((hash) => blocks.has(hash)).length;
    expect(shared / blocks.size).toBeGreaterThan(0.95);
  });

  it("boots, logs in, asks codex for its version, and stages the asset with its facts", async () => {
    const staged = await cell(CODEX, "--stage", "verify");
    expect(staged.exitCode, staged.stderr).toBe(0);
    const facts = factsOf(CODEX);
    expect(facts.boot.check?.output).toMatch(/^codex-cli \d+\.\d+\.\d+$/);
    expect(facts.boot.ready_uptime_s).toBeGreaterThan(0);
    expect(facts.sha256).toBe(sha256(join(store, facts.asset)));
    expect(facts.image_sha256).toBe(imageSha[CODEX]);
    expect(facts.packages).toContainEqual(expect.objectContaining({ type: "deb", name: "openssh-server" }));
    expect(facts.packages).toContainEqual(expect.objectContaining({ type: "npm", name: "@openai/codex" }));
    expect(staged.stdout.trim()).toMatch(/codex-amd64-debian-rootfs\.ext4\.zst$/);
  });

  it("finds all that agents need of the kernel", async () => {
    const key = generateKey();
    const machine = await startMachine({
      ...{ arch: "amd64", disk: image(BASE), ...project.kernel("amd64") },
      ...{ cmdline: [keyParameter(key.publicKey)], consoleLog: join(scratch, "console") },
    });
    try {
      const patience = AbortSignal.timeout(240_000);
      const client = await login(machine.address!, key, patience);
      const script = readFileSync(join(import.meta.dirname, "../support/guest-features.py"), "utf8");
      expect(await runCommand(client, ["python3", "-c", script], patience)).toEqual({
        exitCode: 0,
        output: "",
      });
      client.end();
    } finally {
      await machine.destroy();
    }
  });

  it("keeps what is staged from the same inputs", async () => {
    const again = await cell(CODEX, ...QUICK);
    expect(again.stderr).toContain("already staged, from the same inputs");
    expect(again.exitCode).toBe(0);
  });

  it("leaves no container, machine or temporary file when it is interrupted", async () => {
    let pid = 0;
    const interrupted = await cli(project.root, ["cell", CODEX, "--stage", "build", ...QUICK], {
      onStderr: (text, child) => {
        if (pid === 0 && text.includes("make the ext4 image")) {
          pid = child;
          process.kill(child, "SIGINT");
        }
      },
    });
    expect(interrupted.exitCode).toBe(2);
    expect(interrupted.stderr).toMatch(/^error: interrupted by SIGINT/m);
    const left = await new Docker().listContainers({
      all: true,
      filters: { label: [`${OWNER_LABEL}=${pid}`] },
    });
    expect(left).toEqual([]);
    expect(readdirSync(join(project.root, "out/images")).filter((name) => name.includes(`.${pid}`))).toEqual(
      [],
    );
    expect(existsSync(image(CODEX))).toBe(false);
  });

  it("shows the console's last lines when the machine ends too early", async () => {
    // A superblock of zeros: the kernel finds no root file system, and panics.
    const disk = openSync(image(BASE), "r+");
    const superblock = Buffer.alloc(4096);
    readSync(disk, superblock, 0, 4096, 0);
    writeSync(disk, Buffer.alloc(4096), 0, 4096, 0);
    const failed = await cell(BASE, "--stage", "verify");
    writeSync(disk, superblock, 0, 4096, 0);
    closeSync(disk);
    expect(failed.stderr).toMatch(/^error: base-amd64-debian: the machine ended before it could be used/m);
    expect(failed.stderr).toContain("Kernel panic");
    expect(failed.exitCode).toBe(2);
    expect(existsSync(join(store, "base-amd64-debian-rootfs.ext4.zst"))).toBe(false);
  });

  it("shows the console's last lines when nobody is let in in time", async () => {
    const failed = await cell(BASE, "--stage", "verify", "--boot-timeout", "2");
    expect(failed.stderr).toMatch(/^error: base-amd64-debian: no SSH login within 2 s/m);
    expect(failed.exitCode).toBe(2);
  });
});

describeInit("GNU userland (debian)", () => ({ disk: image(BASE), kernel: project.kernel("amd64") }));

/** The frames of a compressed image, from the table in its file. */
function framesOf(id: string): readonly Frame[] {
  const directory = join(project.root, "out/images", id);
  const { frames, image_size: imageSize } = JSON.parse(readFileSync(join(directory, "build.json"), "utf8"));
  const table = readFileSync(join(directory, "rootfs.ext4.zst")).subarray(
    frames.offset,
    frames.offset + frames.size,
  );
  return decodeTable(table, { size: dataSize(frames), imageSize });
}

function buildSha(id: string, where = project): string {
  const facts = JSON.parse(readFileSync(join(where.root, "out/images", id, "build.json"), "utf8"));
  return facts.image_sha256;
}

/** The hashes of an image's 4 KiB blocks that are not zero. */
function blockHashes(path: string): Set<string> {
  const zero = Buffer.alloc(4096);
  const chunk = Buffer.alloc(1024 * 4096);
  const hashes = new Set<string>();
  const file = openSync(path, "r");
  for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
    for (let at = 0; at < read; at += 4096) {
      const block = chunk.subarray(at, at + 4096);
      if (!block.equals(zero)) hashes.add(createHash("md5").update(block).digest("base64"));
    }
  }
  closeSync(file);
  return hashes;
}
