import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assetLabel, cellNames } from "../../../pipeline/release/diff/cell-names.ts";
import type { CellContents, ReleaseContents } from "../../../pipeline/release/diff/contents.ts";
import { diffReleases, type ReleaseDiff } from "../../../pipeline/release/diff/diff.ts";
import type { Package } from "../../../pipeline/schema/facts.ts";

const cell = (id: string, more: Partial<CellContents> = {}): CellContents => ({
  id,
  assets: [{ name: `${id}-rootfs.ext4.zst`, sha256: "a", size: 100 }],
  made_from: {},
  packages: [],
  files: {},
  ...more,
});
const release = (tag: string, ...cells: CellContents[]): ReleaseContents => ({ tag, cells });
const npm = (name: string, version: string): Package => ({ type: "npm", name, version });
const deb = (name: string, version: string): Package => ({ type: "deb", name, version });

describe("packages", () => {
  it("are listed once for all cells that share a change, the widest first", () => {
    const [ssl, codex] = [deb("openssl", "3.5.1"), npm("@openai/codex", "0.168.0")];
    const [newSsl, newCodex] = [deb("openssl", "3.5.2"), npm("@openai/codex", "0.169.0")];
    const a = release(
      "v1",
      cell("base-amd64-debian", { packages: [ssl] }),
      cell("codex-amd64-debian", { packages: [ssl, codex] }),
    );
    const b = release(
      "v2",
      cell("codex-amd64-debian", { packages: [newCodex, newSsl] }),
      cell("base-amd64-debian", { packages: [newSsl] }),
    );
    expect(diffReleases(a, b).packages).toEqual([
      {
        cells: ["base-amd64-debian", "codex-amd64-debian"],
        changes: [{ type: "deb", name: "openssl", from: ["3.5.1"], to: ["3.5.2"] }],
      },
      {
        cells: ["codex-amd64-debian"],
        changes: [{ type: "npm", name: "@openai/codex", from: ["0.168.0"], to: ["0.169.0"] }],
      },
    ]);
  });

  it("may be there in several versions, and are the same only with the same type", () => {
    const a = cell("x-amd64-y", { packages: [npm("a", "1"), npm("a", "2"), npm("curl", "1")] });
    const b = cell("x-amd64-y", { packages: [npm("a", "2"), npm("a", "3"), deb("curl", "1")] });
    expect(diffReleases(release("v1", a), release("v2", b)).packages[0]!.changes).toEqual([
      { type: "deb", name: "curl", from: [], to: ["1"] },
      { type: "npm", name: "a", from: ["1", "2"], to: ["2", "3"] },
      { type: "npm", name: "curl", from: ["1"], to: [] },
    ]);
  });
});

describe("cells", () => {
  const asset = (sha256: string, size: number, ms?: number, accel: "kvm" | "tcg" = "kvm") => ({
    ...{ name: "x", sha256, size },
    ...(ms === undefined ? {} : { boot: { ms, accel } }),
  });
  const one = (...assets: CellContents["assets"]) => release("v", cell("x-amd64-y", { assets }));

  it("are added, removed, or have the same bytes", () => {
    const a = release("v1", cell("gone-amd64-y"), cell("same-amd64-y"));
    const b = release("v2", cell("same-amd64-y"), cell("new-amd64-y"));
    expect(diffReleases(a, b)).toMatchObject({
      ...{ from: "v1", to: "v2", assets: [] },
      cells: { added: ["new-amd64-y"], removed: ["gone-amd64-y"], unchanged: ["same-amd64-y"] },
    });
  });

  it("have times that are compared where both were measured in the same way", () => {
    const boot = (b: ReleaseContents, a = one(asset("a", 100, 3000))) =>
      diffReleases(a, b).assets.map(({ boot_ms: times }) => times);
    expect(boot(one(asset("b", 90, 2000)))).toEqual([{ from: 3000, to: 2000 }]);
    expect(boot(one(asset("b", 90, 2000, "tcg")))).toEqual([null]);
    expect(boot(one(asset("b", 90)))).toEqual([null]);
    expect(boot(one(asset("b", 90)), one(asset("a", 90)))).toEqual([null]);
  });

  it("are not the same with an asset more or less", () => {
    const both = [asset("a", 1), { ...asset("b", 1), name: "y" }];
    const { cells, assets } = diffReleases(one(both[0]!), one(...both));
    expect([cells.unchanged, assets]).toEqual([[], []]);
  });
});

it("pins are named with both values, but not the hash of a base that has changes of its own", () => {
  const a = cell("codex-amd64-y", { made_from: { snapshot: "1", "base-amd64-y": "0", uv: "2" } });
  const b = cell("codex-amd64-y", { made_from: { snapshot: "3", "base-amd64-y": "9" } });
  const base = cell("base-amd64-y");
  const { pins } = diffReleases(release("v1", a, base), release("v2", b, base));
  expect(pins).toEqual([
    { name: "snapshot", from: "1", to: "3", cells: ["codex-amd64-y"] },
    { name: "uv", from: "2", to: null, cells: ["codex-amd64-y"] },
  ]);
});

it("files are listed by how much they have changed, and not where nobody recorded them", () => {
  const files = (sizes: CellContents["files"]) => release("v", cell("x-amd64-y", { files: sizes }));
  const a = files({ "usr/bin/node": 100, gone: 50, same: 9 });
  expect(
    diffReleases(a, files({ "usr/bin/node": 110, same: 9, new: 80 })).files.map(({ path, from, to }) => [
      path,
      from,
      to,
    ]),
  ).toEqual([
    ["new", null, 80],
    ["gone", 50, null],
    ["usr/bin/node", 100, 110],
  ]);
  expect(diffReleases(a, files(undefined)).files).toEqual([]);
});

it.each([
  [["kernel-amd64"], "kernel (amd64)"],
  [["codex-amd64-ubuntu"], "codex on ubuntu (amd64)"],
  [["claude-code-arm64-ubuntu", "claude-code-amd64-ubuntu"], "claude-code on ubuntu (amd64, arm64)"],
  [
    ["base", "codex"].flatMap((name) => [`${name}-amd64-alpine`, `${name}-amd64-x-y`]),
    "base, codex on alpine, x-y (amd64)",
  ],
  [["base-amd64-x", "codex-arm64-x"], "base on x (amd64); codex on x (arm64)"],
  [["other"], "other"],
])("%j are written as %s", (ids, text) => {
  expect(cellNames(ids)).toBe(text);
});

it.each([
  ["codex-amd64-ubuntu", "codex-amd64-ubuntu-rootfs.ext4.zst", "codex-amd64-ubuntu"],
  ["base-amd64-ubuntu", "base-amd64-rootfs.ext4.zst", "base-amd64-ubuntu"],
  ["kernel-amd64", "vmlinux-amd64.elf", "vmlinux-amd64.elf"],
  ["initramfs-zinit-amd64", "vmlinuz-zinit-amd64.efi", "vmlinuz-zinit-amd64.efi"],
])("the asset of %s, %s, is called %s", (cell, asset, label) => {
  expect(assetLabel(cell, asset)).toBe(label);
});

// ── for any two releases ─────────────────────────────────────────────────────────────────────────
const word = fc.constantFrom("a", "b", "__proto__", "constructor", "x\ny");
const record = <T>(value: fc.Arbitrary<T>) =>
  fc.array(fc.tuple(word, value), { maxLength: 4 }).map((entries) => Object.fromEntries(entries));
const anyCell = (id: string): fc.Arbitrary<CellContents> =>
  fc.record({
    id: fc.constant(id),
    assets: fc
      .subarray(["image", "elf"], { minLength: 1 })
      .chain((names) =>
        fc.tuple(
          ...names.map((name) =>
            fc.record({ name: fc.constant(name), sha256: word, size: fc.integer({ min: 1, max: 9 }) }),
          ),
        ),
      ),
    made_from: record(word),
    packages: fc.array(
      fc.record({ type: fc.constantFrom("npm" as const, "deb" as const), name: word, version: word }),
      { maxLength: 5 },
    ),
    files: record(fc.integer({ min: 1, max: 9 })),
  });
const anyRelease = (tag: string): fc.Arbitrary<ReleaseContents> =>
  fc
    .subarray(["base-amd64-x", "codex-amd64-x", "kernel-amd64"])
    .chain((ids) => fc.tuple(...ids.map(anyCell)))
    .map((cells) => ({ tag, cells }));

/** What the cells that both releases have are made of, after the changes of `diff`. */
function applied(a: ReleaseContents, { packages, pins, files, cells }: ReleaseDiff) {
  return a.cells
    .filter(({ id }) => !cells.removed.includes(id))
    .map((cell) => {
      const entries = new Map<string, readonly string[]>(versions(cell));
      for (const group of packages.filter((each) => each.cells.includes(cell.id)))
        for (const { type, name, from, to } of group.changes) {
          expect(entries.get(`${type} ${name}`) ?? []).toEqual(from);
          if (to.length > 0) entries.set(`${type} ${name}`, to);
          else entries.delete(`${type} ${name}`);
        }
      const changed = <T>(
        of: Readonly<Record<string, T>>,
        changes: readonly { key: string; to: T | null; cells: readonly string[] }[],
      ) => {
        const map = new Map(Object.entries(of));
        for (const { key, to } of changes.filter((each) => each.cells.includes(cell.id))) {
          if (to === null) map.delete(key);
          else map.set(key, to);
        }
        return sorted(map);
      };
      return {
        id: cell.id,
        packages: sorted(entries),
        pins: changed(
          cell.made_from!,
          pins.map(({ name: key, ...rest }) => ({ key, ...rest })),
        ),
        files: changed(
          cell.files!,
          files.map(({ path: key, ...rest }) => ({ key, ...rest })),
        ),
      };
    });
}
const sorted = <T>(map: Iterable<readonly [string, T]>) =>
  [...map].sort(([one], [other]) => (one < other ? -1 : 1));
function versions({ packages }: CellContents): Map<string, string[]> {
  const found = new Map<string, Set<string>>();
  for (const { type, name, version } of packages) {
    const key = `${type} ${name}`;
    found.set(key, (found.get(key) ?? new Set()).add(version));
  }
  return new Map([...found].map(([key, all]) => [key, [...all].sort()]));
}
const contents = (release: ReleaseContents, ids: readonly string[]) =>
  ids.map((id) => {
    const cell = release.cells.find((each) => each.id === id)!;
    return {
      id,
      packages: sorted(versions(cell)),
      pins: sorted(Object.entries(cell.made_from!)),
      files: sorted(Object.entries(cell.files!)),
    };
  });

describe("for any two releases,", () => {
  it("one has no difference from itself", () => {
    fc.assert(
      fc.property(anyRelease("v1"), (a) => {
        const { cells, assets, pins, packages, files } = diffReleases(a, a);
        expect([cells.added, cells.removed, assets, pins, packages, files]).toEqual([[], [], [], [], [], []]);
        expect(cells.unchanged).toEqual(a.cells.map(({ id }) => id).sort());
      }),
    );
  });

  it("the first and the differences make the second", () => {
    fc.assert(
      fc.property(anyRelease("v1"), anyRelease("v2"), (a, b) => {
        const diff = diffReleases(a, b);
        const after = applied(a, diff);
        expect(after).toEqual(
          contents(
            b,
            after.map(({ id }) => id),
          ),
        );
        const ids = new Set([...after.map(({ id }) => id), ...diff.cells.added]);
        expect([...ids].sort()).toEqual(b.cells.map(({ id }) => id).sort());
      }),
    );
  });

  it("the way back is the same with both sides exchanged", () => {
    fc.assert(
      fc.property(anyRelease("v1"), anyRelease("v2"), (a, b) => {
        const back = <T extends { from: unknown; to: unknown }>(changes: readonly T[]) =>
          changes.map((change) => JSON.stringify({ ...change, from: change.to, to: change.from })).sort();
        const [one, other] = [diffReleases(a, b), diffReleases(b, a)];
        expect(back(one.files)).toEqual(other.files.map((each) => JSON.stringify(each)).sort());
        expect(back(one.pins)).toEqual(other.pins.map((each) => JSON.stringify(each)).sort());
        expect(one.cells.added).toEqual(other.cells.removed);
      }),
    );
  });

  it("each change of a package stands once", () => {
    fc.assert(
      fc.property(anyRelease("v1"), anyRelease("v2"), (a, b) => {
        const { packages } = diffReleases(a, b);
        const all = packages.flatMap(({ changes }) => changes.map((each) => JSON.stringify(each)));
        expect(new Set(all).size).toBe(all.length);
      }),
    );
  });
});
