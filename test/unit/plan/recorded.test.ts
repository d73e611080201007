import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inputsWith } from "../../../pipeline/plan/freshness.ts";
import { handedOnBy, matrixOf, type PlanOptions, plan } from "../../../pipeline/plan/plan.ts";
import type { LastRelease } from "../../../pipeline/plan/recorded.ts";
import { digestsOf } from "../../../pipeline/release/digests.ts";
import type { Cell, Cells } from "../../../pipeline/schema/cells.ts";
import { KIND_NAMES } from "../../../pipeline/schema/kinds/index.ts";
import { RecordedDigests } from "../../../pipeline/schema/recorded-digests.ts";
import { factsOf } from "../../support/github/staging.ts";
import { sampleCells } from "../../support/tree.ts";

const NOTHING_STAGED = { facts: async () => undefined };
const cells = sampleCells();
const published = cells.cells.filter((cell) => cell.published);
const EARLIER = "images-v6.9.0";
const ALPINE = "codex-amd64-alpine";
const ASSET = "codex-amd64-alpine-rootfs.ext4.zst";

/** What was recorded when these cells were published at a tag. Alpine's were made with an accepted override. */
function recordedAt(tag: string, made: Cells = cells): RecordedDigests {
  const facts = made.cells
    .filter((cell) => cell.published)
    .flatMap((cell) =>
      cell.assets.map((asset) => {
        const overrides = cell.id.endsWith("-alpine") ? ["apk=unrecorded"] : [];
        return { ...factsOf(cell, asset, overrides), inputs: inputsWith(cell, overrides) };
      }),
    );
  return RecordedDigests.parse(JSON.parse(JSON.stringify({ ...digestsOf(made, { facts }), tag })));
}

/** The same cells with other inputs for one of them. */
const withCell = (id: string, change: Partial<Cell>): Cells => ({
  ...cells,
  cells: cells.cells.map((cell) => (cell.id === id ? ({ ...cell, ...change } as Cell) : cell)),
});

const recorded = (digests: RecordedDigests, more: object = {}): LastRelease => ({
  ...{ state: "recorded", digests },
  ...more,
});
const planned = async (of: Cells, options: PlanOptions) => await plan(of, NOTHING_STAGED, options);
const OTHER = "f".repeat(64);

/** The decision about one cell, when all others are carried over. */
async function aboutOne(id: string, of: Cells, last: LastRelease) {
  const all = await planned(of, { last });
  expect(all.filter((cell) => cell.id !== id && cell.action !== "carry")).toEqual([]);
  return all.find((cell) => cell.id === id)!;
}

describe("a plan after a release", () => {
  it("carries everything over to a new tag if no input moved, and starts no runner", async () => {
    const all = await planned(cells, { last: recorded(recordedAt(EARLIER)) });
    const why = `the same inputs as at ${EARLIER}`;
    expect(all).toEqual(published.map(({ id }) => ({ id, action: "carry", from: EARLIER, why })));
    for (const kind of KIND_NAMES) expect(matrixOf(cells, all, kind)).toEqual([]);
  });

  it("has nothing to do at the tag that is published", async () => {
    const all = await planned(cells, { last: recorded(recordedAt(cells.tag)) });
    const why = `published at ${cells.tag} with these inputs`;
    expect(all).toEqual(published.map(({ id }) => ({ id, action: "skip", why })));
  });

  it("says that a published tag cannot have other inputs", async () => {
    const now = withCell(ALPINE, { inputs: OTHER });
    const all = await planned(now, { last: recorded(recordedAt(cells.tag)) });
    expect(all.filter(({ action }) => action !== "skip")).toEqual([
      {
        ...{ id: ALPINE, action: "build" },
        why: `the inputs changed since ${cells.tag} (${cells.tag} is recorded as published: choose a new tag)`,
      },
    ]);
  });

  it("builds what moved alone, and names it", async () => {
    const { made_from } = cells.cells.find(({ id }) => id === ALPINE)!;
    const now = withCell(ALPINE, {
      inputs: OTHER,
      made_from: { ...made_from, "@openai/codex": "0.170.0", "init/other": "abc" },
    });
    expect(await aboutOne(ALPINE, now, recorded(recordedAt(EARLIER)))).toEqual({
      ...{ id: ALPINE, action: "build", why: "@openai/codex 0.169.0 -> 0.170.0, init/other added (abc)" },
    });
  });

  it("names what is no longer an input, and of a list what is different", async () => {
    const id = "base-arm64-ubuntu";
    const { made_from } = cells.cells.find((cell) => cell.id === id)!;
    const { uv: _, ...others } = made_from;
    const now = withCell(id, {
      inputs: OTHER,
      made_from: { ...others, packages: "bash ca-certificates git vim" },
    });
    expect((await aboutOne(id, now, recorded(recordedAt(EARLIER)))).why).toMatch(
      /^packages \+git \+vim -openssh-server, uv removed$/,
    );
  });

  it("builds everything with --all", async () => {
    const all = await planned(cells, { last: recorded(recordedAt(EARLIER)), all: true });
    expect(new Set(all.map(({ action, why }) => `${action}: ${why}`))).toEqual(
      new Set(["build: all cells are built (--all)"]),
    );
  });

  it("has kernels fetched and containers made for what is built, where the cells themselves are carried over", async () => {
    const last = recorded(recordedAt(EARLIER));
    const idsOf = (entries: object[]) => entries.map((entry) => (entry as { cell: string }).cell);
    const handed = async (of: Cells) => {
      const all = await planned(of, { last });
      return (["kernel", "base"] as const).map((kind) => {
        const { made, needed } = handedOnBy(of, all, kind);
        return [idsOf(made), idsOf(needed)];
      });
    };
    expect(await handed(cells)).toEqual([
      [[], []],
      [[], []],
    ]);
    // A preset needs the kernel that boots it, and the container image of its base.
    expect(await handed(withCell(ALPINE, { inputs: OTHER }))).toEqual([
      [[], ["kernel-amd64"]],
      [[], ["base-amd64-alpine"]],
    ]);
    expect(await handed(withCell("base-arm64-ubuntu", { inputs: OTHER }))).toEqual([
      [[], ["kernel-arm64"]],
      [["base-arm64-ubuntu"], []],
    ]);
    // A kernel is built from nothing that other cells make.
    expect(await handed(withCell("kernel-arm64", { inputs: OTHER }))).toEqual([
      [["kernel-arm64"], []],
      [[], []],
    ]);
  });

  it("is narrowed by a selection", async () => {
    const last = recorded(recordedAt(EARLIER));
    const all = await planned(cells, { last, presets: "codex", flavors: "alpine", archs: "amd64" });
    expect(all.filter(({ action }) => action === "carry").map(({ id }) => id)).toEqual([
      ...["kernel-amd64", "base-amd64-alpine", ALPINE],
    ]);
    expect(all.filter(({ action }) => action === "build")).toEqual([]);
  });
});

describe("a doubt about a release", () => {
  /** The record with another text for one asset. */
  const damaged = (change: (asset: RecordedDigests["assets"][string]) => object | undefined) => {
    const { assets, ...others } = recordedAt(EARLIER);
    const { [ASSET]: asset, ...rest } = assets;
    const now = change(asset!);
    return RecordedDigests.parse({ ...others, assets: now ? { ...rest, [ASSET]: now } : rest });
  };
  it.each<[string, () => RecordedDigests, string]>([
    ["an asset is not recorded", () => damaged(() => undefined), `${ASSET} is not recorded at ${EARLIER}`],
    [
      "an earlier version did not record the inputs by name",
      () => damaged(({ made_from: _, ...asset }) => ({ ...asset, inputs: OTHER })),
      `the inputs changed since ${EARLIER}`,
    ],
    [
      "an earlier version did not record the overrides",
      () => damaged(({ overrides: _, ...asset }) => asset),
      `the inputs changed since ${EARLIER}`,
    ],
    [
      "it was not booted on each machine",
      () => damaged((asset) => ({ ...asset, proven: ["qemu-pci"] })),
      `not recorded at ${EARLIER} that it was booted on qemu-mmio`,
    ],
    [
      "nothing says what it was booted on",
      () => damaged(({ proven: _, ...asset }) => asset),
      `not recorded at ${EARLIER} that it was booted on qemu-pci, qemu-mmio`,
    ],
    [
      "it has an override that the tree does not accept",
      () => {
        const cell = cells.cells.find(({ id }) => id === ALPINE)!;
        const overrides = ["apt=live"];
        return damaged((asset) => ({ ...asset, overrides, inputs: inputsWith(cell, overrides) }));
      },
      `${EARLIER} has it not as declared (apt=live)`,
    ],
  ])("means that the cell is built: %s", async (_, digests, why) => {
    expect(await aboutOne(ALPINE, cells, recorded(digests()))).toEqual({ id: ALPINE, action: "build", why });
  });

  it("means that a kernel is built of which nothing says that it was booted", async () => {
    const { assets, ...others } = recordedAt(EARLIER);
    const { proven: _, ...image } = assets["vmlinux-arm64.image"]!;
    const last = recorded({ ...others, assets: { ...assets, "vmlinux-arm64.image": image } });
    expect((await aboutOne("kernel-arm64", cells, last)).why).toBe(
      `not recorded at ${EARLIER} that it was booted on qemu-pci`,
    );
  });

  it("means that all Alpine cells are built when the tree no longer accepts their override", async () => {
    const all = await planned({ ...cells, accepts: [] }, { last: recorded(recordedAt(EARLIER)) });
    const built = all.filter(({ action }) => action === "build");
    expect(built.map(({ id }) => id)).toEqual(
      published.map(({ id }) => id).filter((id) => id.endsWith("-alpine")),
    );
    expect(new Set(built.map(({ why }) => why))).toEqual(
      new Set([`${EARLIER} has it not as declared (apk=unrecorded)`]),
    );
  });

  it.each([ASSET, "codex-amd64-alpine-rootfs.cdx.json"])(
    "is a problem with %s on the release",
    async (name) => {
      const problems = new Map([[name, `${name}: it is not attested`]]);
      expect(await aboutOne(ALPINE, cells, recorded(recordedAt(EARLIER), { problems }))).toMatchObject({
        ...{ action: "build", why: `${name}: it is not attested` },
      });
    },
  );

  it("is that the record cannot be read", async () => {
    const all = await planned(cells, { last: { state: "unreadable", why: "it cannot be read" } });
    expect(new Set(all.map((cell) => `${cell.action}: ${cell.why}`))).toEqual(
      new Set(["build: it cannot be read"]),
    );
  });

  it("of any kind, in any asset, builds its cell, and no other", async () => {
    const digests = recordedAt(EARLIER);
    const names = Object.keys(digests.assets);
    await fc.assert(
      fc.asyncProperty(fc.subarray(names), fc.infiniteStream(fc.nat(2)), async (doubtful, kinds) => {
        const assets = { ...digests.assets };
        for (const name of doubtful) {
          const kind = kinds.next().value;
          if (kind === 0) delete assets[name];
          else if (kind === 1) assets[name] = { ...assets[name]!, inputs: OTHER };
          else assets[name] = { ...assets[name]!, overrides: ["level=3"] };
        }
        const last = recorded({ ...digests, assets });
        const built = (await planned(cells, { last })).filter(({ action }) => action === "build");
        const expected = published.filter((cell) => cell.assets.some((asset) => doubtful.includes(asset)));
        expect(built.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
      }),
      { numRuns: 40 },
    );
  });
});
