import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Facts } from "../../../../pipeline/schema/facts.ts";
import { StagingDirectory } from "../../../../pipeline/stores/directory/staging.ts";
import { ACCOUNTED, PROVEN } from "../../../support/proven.ts";
import { tempDirectory } from "../../../support/run.ts";

const SBOM = "{}\n";
const ASSET = "codex-amd64-debian-rootfs.ext4.zst";

const facts = (sha256 = "a".repeat(64)): Facts =>
  Facts.parse({
    schema_version: 1,
    id: "codex-amd64-debian",
    kind: "preset",
    arch: "amd64",
    flavor: "debian",
    preset: "codex",
    asset: ASSET,
    sha256,
    size: 5,
    image_sha256: "b".repeat(64),
    image_size: 4096,
    inputs: "c".repeat(64),
    overrides: [],
    source: "mmdebstrap trixie",
    sbom: {
      asset: "codex-amd64-debian-rootfs.cdx.json",
      sha256: createHash("sha256").update(SBOM).digest("hex"),
      size: SBOM.length,
      components: { deb: 1 },
    },
    zstd_level: 3,
    content_size: 4000,
    accounted: ACCOUNTED,
    boot: {
      vmm: "qemu",
      accel: "tcg",
      ms: 14_000,
      init_uptime_s: 1.1,
      ready_uptime_s: 5.2,
      kernel_sha256: "d".repeat(64),
      check: { command: ["codex", "--version"], output: "codex-cli 0.169.0" },
    },
    proven: PROVEN,
    packages: [{ type: "deb", name: "bash", version: "5.2.37-2" }],
  });

/** A store that does not exist yet, and a way to make a finished file beside it. */
function store() {
  const directory = tempDirectory();
  const file = (content: string) => {
    const path = join(directory, "rootfs.ext4.zst");
    writeFileSync(path, content);
    return path;
  };
  return { store: new StagingDirectory(join(directory, "release/images-v1")), file };
}

describe("the directory store", () => {
  it.each([
    ["proof", "proven"],
    ["the owners of its files", "accounted"],
  ])("stages an image anew that an earlier version staged without %s", async (_, field) => {
    const { store: target, file } = store();
    await target.put(file("bytes"), facts(), SBOM);
    const path = join(target.directory, `${ASSET}.json`);
    const { [field]: __, ...before } = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify(before));
    expect(await target.facts(ASSET)).toBe(undefined);
    expect(await target.all()).toEqual([]);
    await target.put(file("other"), facts(), SBOM);
    expect(await target.facts(ASSET)).toEqual(facts());
  });

  it("takes no image that was not booted on each of the machines", async () => {
    for (const [index, missing] of ["qemu-pci", "qemu-mmio"].entries()) {
      const { store: target, file } = store();
      const half = { ...facts(), proven: PROVEN.filter((_, each) => each !== index) } as Facts;
      await expect(target.put(file("bytes"), half, SBOM)).rejects.toThrow(
        `the image was not booted on ${missing}`,
      );
      expect(existsSync(target.directory)).toBe(false);
      // Nor does it believe such facts that lie there.
      mkdirSync(target.directory, { recursive: true });
      writeFileSync(join(target.directory, `${ASSET}.json`), JSON.stringify(half));
      await expect(target.facts(ASSET)).rejects.toThrow(
        /does not contain the facts of an asset \(.*the image was not booted on/,
      );
    }
  });

  it("has an asset with its facts beside it, and nothing else", async () => {
    const { store: target, file } = store();
    const source = file("bytes");
    expect(await target.put(source, facts(), SBOM)).toBe(join(target.directory, ASSET));
    expect(readdirSync(target.directory).sort()).toEqual([
      "SHA256SUMS",
      "codex-amd64-debian-rootfs.cdx.json",
      ASSET,
      `${ASSET}.json`,
    ]);
    expect(readFileSync(join(target.directory, ASSET), "utf8")).toBe("bytes");
    expect(await target.facts(ASSET)).toEqual(facts());
    // Moved, not copied: an image is large.
    expect(existsSync(source)).toBe(false);
  });

  it("has sums of every asset and inventory, for sha256sum", async () => {
    const { store: target, file } = store();
    const sum = (text: string) => createHash("sha256").update(text).digest("hex");
    await target.put(file("first"), facts(sum("first")), SBOM);
    const other = { ...facts(sum("other")), asset: "pi.ext4.zst" };
    await target.put(file("other"), { ...other, sbom: { ...other.sbom, asset: "pi.cdx.json" } }, SBOM);
    const { status, stdout } = spawnSync("sha256sum", ["-c", "SHA256SUMS"], {
      cwd: target.directory,
      encoding: "utf8",
    });
    expect(status).toBe(0);
    expect(stdout.trim().split("\n")).toEqual(
      ["codex-amd64-debian-rootfs.cdx.json", ASSET, "pi.cdx.json", "pi.ext4.zst"].map(
        (name) => `${name}: OK`,
      ),
    );
  });

  it("has its assets by their names, also where one begins with another", async () => {
    const { store: target, file } = store();
    const names = ["pi.zst", "pi.zst-2", "codex.zst"];
    for (const asset of names) {
      const { sbom } = facts();
      await target.put(
        file(asset),
        { ...facts(), asset, sbom: { ...sbom, asset: `${asset}.cdx.json` } },
        SBOM,
      );
    }
    expect((await target.all()).map(({ asset }) => asset)).toEqual(["codex.zst", "pi.zst", "pi.zst-2"]);
  });

  it("knows nothing of an asset that is not staged", async () => {
    expect(await store().store.facts(ASSET)).toBeUndefined();
  });

  it("never has facts beside other bytes while an asset is replaced", async () => {
    const { store: target, file } = store();
    await target.put(file("old"), facts(), SBOM);
    const seen: string[] = [];
    const watcher = watch(target.directory, (_, name) => seen.push(String(name)));
    onTestFinished(() => watcher.close());

    await target.put(file("new"), facts("e".repeat(64)), SBOM);
    // The kernel tells of changes in their order; the facts' second change is the last one.
    await expect.poll(() => seen.filter((name) => name === `${ASSET}.json`).length).toBeGreaterThan(1);
    const [removed, moved, written] = [`${ASSET}.json`, ASSET, `${ASSET}.json`].map((name, index) =>
      index === 2 ? seen.lastIndexOf(name) : seen.indexOf(name),
    );
    expect(removed).toBeLessThan(moved!);
    expect(moved).toBeLessThan(written!);
    expect(readFileSync(join(target.directory, ASSET), "utf8")).toBe("new");
    expect((await target.facts(ASSET))?.sha256).toBe("e".repeat(64));
  });

  it("has no facts any more when an asset could not be replaced", async () => {
    const { store: target, file } = store();
    await target.put(file("old"), facts(), SBOM);
    await expect(target.put(join(target.directory, "missing"), facts(), SBOM)).rejects.toThrow("ENOENT");
    // What is there is not vouched for until a cell has proven it again.
    expect(await target.facts(ASSET)).toBeUndefined();
    expect(readdirSync(target.directory)).not.toContain(`${ASSET}.json`);
  });

  it.each([
    ["no JSON", "{ half"],
    ["of another version", JSON.stringify({ ...facts(), schema_version: 2 })],
    ["without a digest", JSON.stringify({ ...facts(), sha256: "abc" })],
    ["with a field that nobody knows", JSON.stringify({ ...facts(), extra: 1 })],
  ])("says what to do about facts that are %s", async (_, text) => {
    const { store: target, file } = store();
    await target.put(file("bytes"), facts(), SBOM);
    const path = join(target.directory, `${ASSET}.json`);
    writeFileSync(path, text);
    const error = await target.facts(ASSET).catch((reason) => reason);
    expect(error.message).toContain(`${path} does not contain the facts of an asset (`);
    expect(error.message).toMatch(/\(.+\): remove it and build the cell again$/);
  });
});
