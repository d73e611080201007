import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";
import { beforeEach, describe, expect, it } from "vitest";
import { Cache } from "../../../pipeline/client/cache.ts";
import { identityOf } from "../../../pipeline/util/process.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { silentRun } from "../../support/silent.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const ROOTFS = { sha256: sha256("packed"), asset: "codex-amd64-ubuntu-rootfs.ext4.zst", flavor: "ubuntu" };
const KERNEL = { sha256: sha256("a kernel"), asset: "vmlinux-amd64.image", flavor: null };
const DAY = 86_400_000;

let root: string;
let cache: Cache;
beforeEach(async () => {
  root = tempDirectory();
  cache = new Cache(join(root, "cache"));
  for (const [about, text] of [
    [ROOTFS, "unpacked"],
    [KERNEL, "a kernel"],
  ] as const) {
    await cache.ensure(about, silentRun(), async (partial) => {
      writeFileSync(partial, text);
      return { wireSize: 6 };
    });
  }
});

/** A copy of the cache, as users make it: every file has another time of change. */
function copied(): Cache {
  spawnSync("cp", ["-a", join(root, "cache"), join(root, "copy")]);
  return new Cache(join(root, "copy"));
}
const pathIn = ({ directory }: Cache, { sha256: name }: { sha256: string }) => join(directory, name);
const entryIn = (of: Cache, about: { sha256: string }) => `${pathIn(of, about)}.json`;
/** Makes an entry one of the first version, which did not know the hash of what lies unpacked. */
const makeOld = (of: Cache, about: { sha256: string }) => {
  const { file_sha256: _, ...entry } = JSON.parse(readFileSync(entryIn(of, about), "utf8"));
  writeFileSync(entryIn(of, about), JSON.stringify({ ...entry, schema_version: 1 }));
};

describe("a cache that was copied", () => {
  it("has what the first one has, hashed again once, and nothing to prune", async () => {
    const copy = copied();
    const run = recordedRun();
    expect(await copy.leftovers(run)).toEqual([]);
    expect((await copy.list(run)).map(({ asset }) => asset).sort()).toEqual([ROOTFS.asset, KERNEL.asset]);
    expect(await copy.find(ROOTFS.sha256, run)).toBe(pathIn(copy, ROOTFS));
    expect(run.steps.sort()).toEqual(
      [ROOTFS.asset, KERNEL.asset].map((asset) => `verify ${asset} again, because its times have changed`),
    );
  });

  it("keeps when each file was last asked for", async () => {
    const old = new Date(Date.now() - 40 * DAY);
    utimesSync(entryIn(cache, ROOTFS), old, old);
    const [, oldest] = await copied().list();
    expect([oldest?.asset, oldest?.usedAt]).toEqual([ROOTFS.asset, old]);
  });

  it("has no use for a file that is not as it was", async () => {
    const copy = copied();
    writeFileSync(pathIn(copy, ROOTFS), "UNPACKED");
    expect(await copy.find(ROOTFS.sha256)).toBeUndefined();
    expect(await copy.leftovers()).toEqual([pathIn(copy, ROOTFS)]);
    await copy.removeLeftover(pathIn(copy, ROOTFS));
    expect(readdirSync(copy.directory).sort()).toEqual([KERNEL.sha256, `${KERNEL.sha256}.json`]);
  });
});

describe("entries of the first version", () => {
  it("serve as long as their files have not changed", async () => {
    makeOld(cache, ROOTFS);
    makeOld(cache, KERNEL);
    expect(await cache.leftovers()).toEqual([]);
    expect(await cache.find(ROOTFS.sha256)).toBe(pathIn(cache, ROOTFS));
  });

  it("of a copy serve where the hash of the file is known: a kernel's is that of the wire", async () => {
    makeOld(cache, ROOTFS);
    makeOld(cache, KERNEL);
    const copy = copied();
    const run = recordedRun();
    expect(await copy.find(KERNEL.sha256, run)).toBe(pathIn(copy, KERNEL));
    expect(await copy.find(ROOTFS.sha256, run)).toBeUndefined();
    // An image is not read in vain, which takes a while: there is nothing to compare its hash with.
    expect(run.steps).toEqual([`verify ${KERNEL.asset} again, because its times have changed`]);
  });
});

describe("what prune may remove", () => {
  const OTHER = sha256("other");

  it("is what processes that are gone have left, by the names that we give", async () => {
    const ours = [
      ...[`${OTHER}.4194305.partial`, `${OTHER}.json.3.4194305.partial`, `${OTHER}.lock.0.4194305.partial`],
      ...[`${OTHER}.lock.1.4194305.stale`, `${OTHER}.lock.break.2.4194305_7`, `${OTHER}.lock`],
    ].map((name) => join(cache.directory, name));
    for (const path of ours) writeFileSync(path, "4194305 1");
    expect(await cache.leftovers()).toEqual(ours.sort());
    for (const path of ours) await cache.removeLeftover(path);
    expect(readdirSync(cache.directory)).toHaveLength(4);
  });

  it("is nothing that somebody else has put there, or that is being made", async () => {
    const here = identityOf(process.pid);
    const foreign = {
      "thesis.txt": "all of it",
      "thesis.4194305.partial": "all of it",
      "draft.lock": "4194305 1",
      [OTHER]: "a file without an entry",
      [`${sha256("a")}.json`]: "{}",
      [`${sha256("b")}.json`]: readFileSync(entryIn(cache, ROOTFS), "utf8"),
      [`${sha256("c")}.lock`]: here,
      [`${sha256("c")}.${process.pid}.partial`]: "half",
      [`${sha256("c")}.lock.break.0.${here.replace(" ", "_")}`]: "",
    };
    for (const [name, text] of Object.entries(foreign)) writeFileSync(join(cache.directory, name), text);
    mkdirSync(join(cache.directory, "photos"));
    expect(await cache.leftovers()).toEqual([]);
    expect(await cache.list()).toHaveLength(2);
  });

  it("is not a file that was right again in the meantime", async () => {
    writeFileSync(pathIn(cache, ROOTFS), "UNPACKED");
    const [found] = await cache.leftovers();
    writeFileSync(pathIn(cache, ROOTFS), "unpacked");
    await cache.removeLeftover(found!);
    expect(await cache.find(ROOTFS.sha256)).toBe(found);
  });
});

describe("a process that is killed", () => {
  it("between the entry and the file's name leaves what the next one makes anew", async () => {
    const entry = JSON.parse(readFileSync(entryIn(cache, ROOTFS), "utf8"));
    const later = { ...ROOTFS, sha256: sha256("later") };
    writeFileSync(entryIn(cache, later), JSON.stringify({ ...entry, sha256: later.sha256 }));
    expect(await cache.leftovers()).toEqual([entryIn(cache, later)]);
    const make = async (partial: string) => {
      writeFileSync(partial, "made");
      return { wireSize: 4 };
    };
    expect(readFileSync(await cache.ensure(later, silentRun(), make), "utf8")).toBe("made");
    expect(await cache.leftovers()).toEqual([]);
  });

  it("before it has looked at the file's times leaves a file that is known by its hash", async () => {
    const entry = JSON.parse(readFileSync(entryIn(cache, ROOTFS), "utf8"));
    writeFileSync(entryIn(cache, ROOTFS), JSON.stringify({ ...entry, stamp: "of the partial" }));
    expect(await cache.find(ROOTFS.sha256)).toBe(pathIn(cache, ROOTFS));
    expect(JSON.parse(readFileSync(entryIn(cache, ROOTFS), "utf8"))).toEqual(entry);
  });
});

describe("a cache that cannot be used", () => {
  const make = async () => ({ wireSize: 0 });
  it.each([
    ["is a file", () => join(root, "file"), /file is not a directory|\(not a directory\)/],
    ["is below a file", () => join(root, "file/cache"), /\(not a directory\)/],
    ["can have no directories", () => "/proc/cache", /^cannot write to \/proc\/cache/],
  ])("because it %s, is an error in one line, which says what to do", async (_, where, message) => {
    writeFileSync(join(root, "file"), "");
    const there = new Cache(where());
    const said = await there.ensure(ROOTFS, silentRun(), make).catch((error: Error) => error);
    expect(said).toMatchObject({ name: "PipelineError", message: expect.stringMatching(message) });
    expect(said).toMatchObject({
      message: expect.stringMatching(/: choose another directory with --cache or SMOLVM_CACHE$/),
    });
    await expect(there.checkRoom(1)).rejects.toMatchObject({ name: "PipelineError" });
  });

  it("because it is a file, is not an empty one", async () => {
    writeFileSync(join(root, "file"), "");
    const there = new Cache(join(root, "file"));
    const message = /^cannot read \S+file\/sha256 \(not a directory\): choose another directory/;
    await expect(there.list()).rejects.toThrow(message);
    await expect(there.leftovers()).rejects.toThrow(message);
  });

  it("because the disk is full, is said so", async () => {
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    await expect(
      cache.ensure({ ...ROOTFS, sha256: sha256("big") }, silentRun(), () => Promise.reject(full)),
    ).rejects.toThrow(
      `cannot write to ${cache.directory} (no space left on device): free some space, or choose`,
    );
    expect(readdirSync(cache.directory)).toHaveLength(4);
  });
});

describe("a cache that this user may not write to", () => {
  const NOBODY = 65534;
  const isRoot = process.geteuid!() === 0;

  // Root may write everywhere, and a thread (Stryker's) cannot become somebody else.
  it.skipIf(isRoot && !isMainThread)("serves what it has, also a copy, and changes nothing", async () => {
    const copy = copied();
    for (const path of [root, join(root, "copy"), copy.directory]) chmodSync(path, 0o555);
    const before = readdirSync(copy.directory).map((name) =>
      readFileSync(join(copy.directory, name), "utf8"),
    );
    if (isRoot) process.seteuid!(NOBODY);
    try {
      expect(() => writeFileSync(join(copy.directory, "x"), "")).toThrow("EACCES");
      expect(await copy.find(KERNEL.sha256)).toBe(pathIn(copy, KERNEL));
      expect(await copy.ensure(ROOTFS, silentRun(), () => Promise.reject())).toBe(pathIn(copy, ROOTFS));
      await expect(
        copy.ensure({ ...ROOTFS, sha256: sha256("new") }, silentRun(), () => Promise.reject()),
      ).rejects.toThrow(`cannot write to ${copy.directory} (permission denied): choose another directory`);
    } finally {
      if (isRoot) process.seteuid!(0);
      for (const path of [root, join(root, "copy"), copy.directory]) chmodSync(path, 0o755);
    }
    expect(
      readdirSync(copy.directory).map((name) => readFileSync(join(copy.directory, name), "utf8")),
    ).toEqual(before);
  });
});
