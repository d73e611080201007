import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Cache, defaultCacheDirectory } from "../../../pipeline/client/cache.ts";
import { identityOf } from "../../../pipeline/util/process.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { silentRun } from "../../support/silent.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const ROOTFS = { sha256: sha256("packed"), asset: "codex-amd64-ubuntu-rootfs.ext4.zst", flavor: "ubuntu" };
const KERNEL = { sha256: sha256("a kernel"), asset: "vmlinux-amd64.image", flavor: null };
const OTHER = sha256("other");
const HERE = identityOf(process.pid);

let root: string;
let cache: Cache;
beforeEach(async () => {
  root = tempDirectory();
  cache = new Cache(join(root, "cache"));
});
afterEach(() => vi.unstubAllEnvs());

const make = (about: typeof ROOTFS | typeof KERNEL, text: string, wireSize = 6) =>
  cache.ensure(about, silentRun(), async (partial) => {
    writeFileSync(partial, text);
    return { wireSize };
  });
const at = (name: string) => join(cache.directory, name);
const write = (name: string, text = "") => {
  mkdirSync(cache.directory, { recursive: true });
  writeFileSync(at(name), text);
};

describe("the cache", () => {
  it("is below one's home unless the environment, or the caller, names another place", () => {
    vi.stubEnv("SMOLVM_CACHE", "");
    expect(defaultCacheDirectory()).toBe(join(homedir(), ".smolvm/images"));
    vi.stubEnv("SMOLVM_CACHE", root);
    expect(defaultCacheDirectory()).toBe(root);
    expect(new Cache().directory).toBe(join(root, "sha256"));
    expect(new Cache("/x").directory).toBe("/x/sha256");
  });

  it("has a file by the hash of what came, with what is known of it, and nothing beside that", async () => {
    expect(await make(ROOTFS, "unpacked", 7)).toBe(at(ROOTFS.sha256));
    expect(readFileSync(at(ROOTFS.sha256), "utf8")).toBe("unpacked");
    expect(JSON.parse(readFileSync(at(`${ROOTFS.sha256}.json`), "utf8"))).toMatchObject({
      ...{ ...ROOTFS, schema_version: 2, wire_size: 7, file_sha256: sha256("unpacked") },
    });
    expect(readdirSync(cache.directory).sort()).toEqual([ROOTFS.sha256, `${ROOTFS.sha256}.json`]);
  });

  it("makes a file once, and has nothing of one that could not be made", async () => {
    await make(ROOTFS, "unpacked");
    await expect(cache.ensure(ROOTFS, silentRun(), () => expect.unreachable())).resolves.toBe(
      at(ROOTFS.sha256),
    );
    const failing = cache.ensure(KERNEL, silentRun(), async (partial) => {
      writeFileSync(partial, "half");
      throw new Error("no more");
    });
    await expect(failing).rejects.toThrow("no more");
    expect(readdirSync(cache.directory)).toHaveLength(2);
    expect(await cache.find(KERNEL.sha256)).toBeUndefined();
  });

  it("serves what it has without waiting for whoever has its lock", async () => {
    await make(ROOTFS, "unpacked");
    write(`${ROOTFS.sha256}.lock`, HERE);
    const run = recordedRun();
    expect(await cache.ensure(ROOTFS, run, () => expect.unreachable())).toBe(at(ROOTFS.sha256));
    expect(run.warnings).toEqual([]);
  });

  it("makes a file once for several that want it at the same time", async () => {
    let made = 0;
    const ensure = () =>
      cache.ensure(ROOTFS, silentRun(), async (partial) => {
        made++;
        writeFileSync(partial, "unpacked");
        return { wireSize: 6 };
      });
    expect(new Set(await Promise.all([ensure(), ensure(), ensure()]))).toEqual(new Set([at(ROOTFS.sha256)]));
    expect(made).toBe(1);
  });

  it("knows what a file is before it is there: whoever is killed in between leaves it known by its hash", async () => {
    mkdirSync(join(at(ROOTFS.sha256), "in the way"), { recursive: true });
    await expect(make(ROOTFS, "unpacked")).rejects.toThrow(`cannot write to ${cache.directory} (`);
    expect(JSON.parse(readFileSync(at(`${ROOTFS.sha256}.json`), "utf8"))).toMatchObject({
      ...{ ...ROOTFS, schema_version: 2, wire_size: 6, file_sha256: sha256("unpacked") },
    });
  });

  it("finds no file without its entry, and no entry without its file, or of another file", async () => {
    await make(ROOTFS, "unpacked");
    write(OTHER, "unpacked");
    expect(await cache.find(OTHER)).toBeUndefined();
    write(`${OTHER}.json`, readFileSync(at(`${ROOTFS.sha256}.json`), "utf8"));
    expect(await cache.find(OTHER)).toBeUndefined();
    rmSync(at(ROOTFS.sha256));
    expect(await cache.find(ROOTFS.sha256)).toBeUndefined();
    expect(await new Cache(join(root, "none")).find(OTHER)).toBeUndefined();
  });

  it("remembers when a file was last asked for", async () => {
    await make(ROOTFS, "unpacked");
    utimesSync(at(`${ROOTFS.sha256}.json`), 1000, 1000);
    const before = Date.now() - 2000;
    await cache.find(ROOTFS.sha256);
    expect(statSync(at(`${ROOTFS.sha256}.json`)).mtimeMs).toBeGreaterThan(before);
  });

  it("lists what it has with its sizes, what was asked for last first", async () => {
    await make(ROOTFS, "unpacked", 7);
    await make(KERNEL, "a kernel", 8);
    utimesSync(at(`${KERNEL.sha256}.json`), 1000, 1000);
    write("notes.txt", "x");
    write(OTHER, "no entry");
    const blocks = statSync(at(ROOTFS.sha256)).blocks * 512;
    expect(await cache.list()).toEqual([
      { ...ROOTFS, wire_size: 7, path: at(ROOTFS.sha256), size: 8, onDisk: blocks, usedAt: expect.any(Date) },
      {
        ...KERNEL,
        wire_size: 8,
        path: at(KERNEL.sha256),
        size: 8,
        onDisk: blocks,
        usedAt: new Date(1_000_000),
      },
    ]);
    utimesSync(at(`${ROOTFS.sha256}.json`), 500, 500);
    expect((await cache.list()).map(({ asset }) => asset)).toEqual([KERNEL.asset, ROOTFS.asset]);
    expect(await new Cache(join(root, "none")).list()).toEqual([]);
  });

  it("is refused before anything comes when there is too little room, with how much that is", async () => {
    await cache.checkRoom(1 << 20);
    expect(existsSync(cache.directory)).toBe(true);
    const error = await cache.checkRoom(5e18).catch((reason) => reason);
    // Others write to the same disk meanwhile.
    const { bavail, bsize } = statfsSync(cache.directory);
    expect(Number(/has (\d+) MB free/.exec(error.message)![1])).toBeGreaterThan((bavail * bsize) / 2e6);
    await expect(cache.checkRoom(5e18)).rejects.toThrow(
      new RegExp(
        `^the disk of ${cache.directory} has \\d+ MB free, but about \\d+ MB are needed: free some space \\(\`smolvm prune\`\\), or .*--cache$`,
      ),
    );
  });

  it("loses a file with its entry, also where one of them is gone", async () => {
    await make(ROOTFS, "unpacked");
    await make(KERNEL, "a kernel");
    rmSync(at(`${ROOTFS.sha256}.json`));
    for (let time = 0; time < 2; time++) await cache.remove({ path: at(ROOTFS.sha256) });
    expect(readdirSync(cache.directory).sort()).toEqual([KERNEL.sha256, `${KERNEL.sha256}.json`]);
  });

  it("does not say that a file is gone which it could not remove", async () => {
    mkdirSync(join(at(OTHER), "a user's"), { recursive: true });
    await expect(cache.remove({ path: at(OTHER) })).rejects.toThrow();
    expect(existsSync(join(at(OTHER), "a user's"))).toBe(true);
  });
});

describe("what is of no use", () => {
  const leftovers = async () =>
    (await cache.leftovers()).map((path) => path.slice(cache.directory.length + 1));

  it.each([
    ...[`${OTHER}.4194305.partial`, `${OTHER}.12.4194305.partial`, `${OTHER}.json.4194305.partial`],
    ...[
      `${OTHER}.lock.4194305.stale`,
      `${OTHER}.lock.break.12.4194305_34`,
      `${OTHER}.lock.break.0.4194305_-`,
    ],
  ])("is %s of a process that is gone", async (name) => {
    write(name);
    expect(await leftovers()).toEqual([name]);
    await cache.removeLeftover(at(name));
    expect(readdirSync(cache.directory)).toEqual([]);
  });

  it.each([
    ...[
      `x${OTHER}.4194305.partial`,
      `${OTHER}.4194305.partial.txt`,
      `${OTHER}.4194305.whole`,
      `${OTHER}.x.partial`,
    ],
    ...[`${OTHER.slice(1)}.4194305.partial`, `${OTHER}.txt.4194305.partial`, `${OTHER}.partial`],
    ...[
      `x${OTHER}.lock.break.1.4194305_3`,
      `${OTHER}.lock.break.1.4194305_3.txt`,
      `${OTHER}.lock.break.1.4194305`,
    ],
    ...[`${OTHER}.lock.break.1.${HERE.replace(" ", "_")}`, `${OTHER}.${process.pid}.partial`],
    ...[`${OTHER}.lock.txt`, `x${OTHER}.lock`, `${OTHER}.jsonl`, OTHER.toUpperCase(), OTHER],
  ])("is not %s", async (name) => {
    write(name);
    expect(await leftovers()).toEqual([]);
  });

  it("is an entry whose file is gone, and a file that is not as it was, but while it is being made", async () => {
    await make(ROOTFS, "unpacked");
    await make(KERNEL, "a kernel");
    rmSync(at(ROOTFS.sha256));
    writeFileSync(at(KERNEL.sha256), "A KERNEL");
    expect(await leftovers()).toEqual([KERNEL.sha256, `${ROOTFS.sha256}.json`].sort());
    for (const { sha256: name } of [ROOTFS, KERNEL]) write(`${name}.lock`, HERE);
    expect(await leftovers()).toEqual([]);
    for (const { sha256: name } of [ROOTFS, KERNEL]) rmSync(at(`${name}.lock`));
    for (const name of await leftovers()) await cache.removeLeftover(at(name));
    expect(readdirSync(cache.directory)).toEqual([]);
  });

  it("is no entry any more whose file has been made again since", async () => {
    await make(ROOTFS, "unpacked");
    rmSync(at(ROOTFS.sha256));
    const [name] = await leftovers();
    expect(name).toBe(`${ROOTFS.sha256}.json`);
    await make(ROOTFS, "unpacked");
    await cache.removeLeftover(at(name!));
    expect(await cache.find(ROOTFS.sha256)).toBe(at(ROOTFS.sha256));
  });

  it("is the lock of a process that is gone, which is not removed from one that has taken it since", async () => {
    write(`${OTHER}.lock`, "4194305 1");
    const [name] = await leftovers();
    write(`${OTHER}.lock`, HERE);
    await cache.removeLeftover(at(name!));
    expect(readdirSync(cache.directory)).toEqual([`${OTHER}.lock`]);
    expect(await leftovers()).toEqual([]);
  });
});

describe("a file with another time than before", () => {
  const touched = (text: string) => {
    writeFileSync(at(ROOTFS.sha256), text);
    utimesSync(at(ROOTFS.sha256), 1000, 1000);
  };

  it("is hashed once, which is said, and known from then on", async () => {
    await make(ROOTFS, "unpacked");
    touched("unpacked");
    const [first, second] = [recordedRun(), recordedRun()];
    expect(await cache.find(ROOTFS.sha256, first)).toBe(at(ROOTFS.sha256));
    expect(first.steps).toEqual([`verify ${ROOTFS.asset} again, because its times have changed`]);
    expect(await cache.find(ROOTFS.sha256, second)).toBe(at(ROOTFS.sha256));
    expect(second.steps).toEqual([]);
  });

  it("and other bytes is none", async () => {
    await make(ROOTFS, "unpacked");
    touched("UNPACKED");
    expect(await cache.find(ROOTFS.sha256)).toBeUndefined();
  });
});
