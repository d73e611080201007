import { createHash } from "node:crypto";
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { Cache } from "../../../pipeline/client/cache.ts";
import { verifyCache } from "../../../pipeline/client/verify-cache.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { silentRun } from "../../support/silent.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const ROOTFS = { sha256: sha256("packed"), asset: "codex-amd64-ubuntu-rootfs.ext4.zst", flavor: "ubuntu" };
const KERNEL = { sha256: sha256("a kernel"), asset: "vmlinux-amd64.image", flavor: null };

let cache: Cache;
beforeEach(async () => {
  cache = new Cache(tempDirectory());
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

const at = ({ sha256: name }: { sha256: string }) => join(cache.directory, name);
const entryAt = (of: { sha256: string }) => `${at(of)}.json`;
const verify = async (image?: { sha256: string; size: number }, run = recordedRun()) =>
  await verifyCache(cache, (asked) => (asked === ROOTFS.sha256 ? image : undefined), run);
const verdicts = async (...args: Parameters<typeof verify>) =>
  Object.fromEntries((await verify(...args)).map(({ asset, verdict }) => [asset, verdict]));
/** Changes bytes in a way that the file's times do not tell: the entry is written anew for them. */
function rot(): void {
  writeFileSync(at(ROOTFS), "UNPACKED");
  const { size, mtimeNs, ctimeNs } = statSync(at(ROOTFS), { bigint: true });
  const entry = JSON.parse(readFileSync(entryAt(ROOTFS), "utf8"));
  writeFileSync(entryAt(ROOTFS), JSON.stringify({ ...entry, stamp: `${size} ${mtimeNs} ${ctimeNs}` }));
}

describe("a cache that is verified", () => {
  it("is good where every file has the bytes that came, and the manifest's", async () => {
    const run = recordedRun();
    const image = { sha256: sha256("unpacked"), size: 8 };
    expect(await verdicts(image, run)).toEqual({ [ROOTFS.asset]: "good", [KERNEL.asset]: "good" });
    expect(run.steps.sort()).toEqual([ROOTFS, KERNEL].map(({ asset }) => `verify ${asset}`).sort());
  });

  it("has a bad file where bytes have changed and nothing tells it, which is not used again", async () => {
    rot();
    expect(await cache.find(ROOTFS.sha256)).toBe(at(ROOTFS));
    const bad = (await verify()).filter(({ verdict }) => verdict === "bad");
    expect(bad).toEqual([
      {
        ...{ path: at(ROOTFS), asset: ROOTFS.asset, verdict: "bad" },
        problem: `its sha256 is ${sha256("UNPACKED")}, and was ${sha256("unpacked")} when it was downloaded`,
      },
    ]);
    const run = recordedRun();
    expect(await cache.find(ROOTFS.sha256, run)).toBeUndefined();
    // It is known to be bad, so it is not hashed once more.
    expect(run.steps).toEqual([]);
    expect(await cache.leftovers()).toEqual([at(ROOTFS)]);
    expect(await cache.find(KERNEL.sha256)).toBe(at(KERNEL));
  });

  it.each([
    [{ sha256: sha256("unpacked"), size: 9 }, "it has 8 bytes, and the manifest says 9"],
    [
      { sha256: sha256("other"), size: 8 },
      `its sha256 is ${sha256("unpacked")}, and the manifest says ${sha256("other")}`,
    ],
  ])("has a bad file where the manifest says %j", async (image, problem) => {
    const [first] = (await verify(image)).filter(({ verdict }) => verdict === "bad");
    expect(first).toMatchObject({ asset: ROOTFS.asset, problem });
    // With another manifest it may be right.
    expect(await cache.find(ROOTFS.sha256)).toBe(at(ROOTFS));
  });

  it("says that it does not know, of a file of the first version; with the manifest it does", async () => {
    const { file_sha256: _, ...entry } = JSON.parse(readFileSync(entryAt(ROOTFS), "utf8"));
    writeFileSync(entryAt(ROOTFS), JSON.stringify({ ...entry, schema_version: 1 }));
    expect(await verdicts()).toEqual({ [ROOTFS.asset]: "unknown", [KERNEL.asset]: "good" });
    const image = { sha256: sha256("unpacked"), size: 8 };
    expect(await verdicts(image)).toMatchObject({ [ROOTFS.asset]: "good" });
    expect(await verdicts({ ...image, sha256: sha256("x") })).toMatchObject({ [ROOTFS.asset]: "bad" });
  });

  it("says nothing of files that are not its own, or that are gone", async () => {
    writeFileSync(join(cache.directory, sha256("foreign")), "foreign");
    rmSync(at(ROOTFS));
    expect(await verdicts()).toEqual({ [KERNEL.asset]: "good" });
  });

  it("keeps the time of the last use, and ends when it is interrupted", async () => {
    const old = new Date(Date.now() - 40 * 86_400_000);
    rot();
    utimesSync(entryAt(ROOTFS), old, old);
    await verify();
    expect(statSync(entryAt(ROOTFS)).mtime).toEqual(old);
    const run = recordedRun();
    run.interrupt(new Error("stop"));
    await expect(verify(undefined, run)).rejects.toThrow("stop");
  });
});
