import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { regressed } from "../../../pipeline/release/diff/gate.ts";
import { type Measured, regressionsOf } from "../../../pipeline/release/diff/regressions.ts";
import { digestsOf } from "../../../pipeline/release/digests.ts";
import { publish } from "../../../pipeline/release/publish.ts";
import { uploadCell } from "../../../pipeline/release/upload.ts";
import type { Cells, Regressions } from "../../../pipeline/schema/cells.ts";
import type { RecordedDigests } from "../../../pipeline/schema/recorded-digests.ts";
import { DirectoryReleases } from "../../../pipeline/stores/directory/releases.ts";
import { StagingDirectory } from "../../../pipeline/stores/directory/staging.ts";
import type { ReleaseStore } from "../../../pipeline/stores/store.ts";
import { GitHubServer } from "../../support/github/server.ts";
import { factsOf, Publisher, stage } from "../../support/github/staging.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { silentRun } from "../../support/silent.ts";
import { sampleCells } from "../../support/tree.ts";

const EARLIER = "images-v6.9.0";
const CODEX = "codex-amd64-ubuntu-rootfs.ext4.zst";
const all = sampleCells();
const TAG = all.tag;
const limits: Regressions = { size_percent: 10, boot_percent: 25, accepts: [] };
const accepting = (...accepts: Partial<Regressions["accepts"][number]>[]): Regressions => ({
  ...limits,
  accepts: accepts.map((each) => ({
    ...{ cell: "codex-amd64-ubuntu", what: "size", tag: TAG, reason: "voice models" },
    ...each,
  })),
});

describe("a regression", () => {
  const at = (size: number, ms?: number, accel: "kvm" | "tcg" = "kvm"): Measured[] => [
    { cell: "c", name: "c.zst", size, boot: ms === undefined ? undefined : { ms, accel } },
  ];
  const found = (before: Measured[], after: Measured[], declared: Regressions | undefined = limits) =>
    regressionsOf(before, after, declared, TAG).map(({ what, percent }) => `${what} ${percent}`);

  it.each<[string, Measured[], Measured[], string[]]>([
    ["nothing, at the limit", at(100, 1000), at(110, 1250), []],
    ["size and boot, above it", at(100, 1000), at(111, 1260), ["size 11", "boot 26"]],
    ["nothing, if it is better", at(100, 1000), at(10, 10), []],
    ["nothing, measured with another accelerator", at(100, 1000), at(100, 9000, "tcg"), []],
    ["nothing, if it was not measured before", at(100), at(100, 9000), []],
    ["nothing, if it was not measured now", at(100, 1000), at(100), []],
    ["nothing, if it was not there before", [], at(1000, 9000), []],
    ["nothing, if it is not there now", at(100), [], []],
    ["nothing, from no time at all", at(100, 0), at(100, 9), []],
  ])("is %s", (_, before, after, expected) => {
    expect(found(before, after)).toEqual(expected);
  });

  it("is what is over a declared limit, and nothing without one", () => {
    const { size_percent, ...boot } = limits;
    expect(found(at(100, 1000), at(200, 2000), boot)).toEqual(["boot 100"]);
    expect(found(at(100, 1000), at(200, 2000), { size_percent: 50, accepts: [] })).toEqual(["size 100"]);
    expect(regressionsOf(at(100, 1000), at(200, 2000), undefined, TAG)).toEqual([]);
    expect(found(at(100), at(101), { size_percent: 0, accepts: [] })).toEqual(["size 1"]);
  });

  it.each<[string, Regressions, boolean]>([
    ["by its cell, what it is, and the tag", accepting({ cell: "c" }), true],
    ["not for another cell", accepting({}), false],
    ["not for something else", accepting({ cell: "c", what: "boot" }), false],
    ["not for another release", accepting({ cell: "c", tag: EARLIER }), false],
  ])("is accepted %s", (_, declared, isAccepted) => {
    const [first] = regressionsOf(at(100), at(200), declared, TAG);
    expect(first!.accepted).toBe(isAccepted ? "voice models" : null);
  });
});

describe("the gate", () => {
  const IDS = ["kernel-amd64", "base-amd64-ubuntu", "codex-amd64-ubuntu"];
  const small: Cells = { ...all, cells: all.cells.filter(({ id }) => IDS.includes(id)) };
  const with_ = (regressions: Regressions | undefined): Cells => ({
    ...small,
    ...(regressions && { regressions }),
  });
  const facts = small.cells.flatMap((cell) => cell.assets.map((asset) => factsOf(cell, asset)));
  /** What an earlier release has recorded: codex had half of its size, and took half of the time. */
  const before: RecordedDigests = (() => {
    const { assets, ...rest } = digestsOf(small, { facts });
    const codex = assets[CODEX]!;
    const half = { ...codex, size: codex.size / 2, boot: { ...codex.boot!, ms: codex.boot!.ms / 2 } };
    return { ...rest, tag: EARLIER, assets: { ...assets, [CODEX]: half } };
  })();
  const SIZE =
    "codex-amd64-ubuntu: size 1 kB -> 2 kB (+100.0 %, limit 10 %) since images-v6.9.0: make it better, or add " +
    '{ cell: "codex-amd64-ubuntu", what: "size", tag: "images-v7.0.0", reason: "…" } to regressions.accepts in images.ts';
  const BOOT = expect.stringMatching(
    /^codex-amd64-ubuntu: boot 1\.8 s -> 3\.5 s \(\+100\.0 %, limit 25 %\) since /,
  );

  it("names each regression with what accepts it, and nothing that is accepted", () => {
    expect(regressed(with_(limits), { facts }, before)).toEqual([SIZE, BOOT]);
    expect(regressed(with_(accepting({ what: "boot" })), { facts }, before)).toEqual([SIZE]);
    expect(regressed(with_(accepting({}, { what: "boot" })), { facts }, before)).toEqual([]);
    expect(regressed(with_(undefined), { facts }, before)).toEqual([]);
  });

  it("compares with nothing where nothing is published, or this release is recorded already", () => {
    expect(regressed(with_(limits), { facts }, undefined)).toEqual([]);
    expect(regressed(with_(limits), { facts }, { ...before, tag: TAG })).toEqual([]);
  });

  it("does not compare what is not as declared, such as another zstd level", () => {
    const fast = facts.map((each) => ({ ...each, overrides: ["level=3"] }));
    expect(regressed(with_(limits), { facts: fast }, before)).toEqual([]);
    expect(regressed({ ...with_(limits), accepts: ["level=3"] }, { facts: fast }, before)).toHaveLength(2);
  });

  it("names the kernel's asset, of which there are several", () => {
    const elf = before.assets["vmlinux-amd64.elf"]!;
    const smaller = { ...before, assets: { ...before.assets, "vmlinux-amd64.elf": { ...elf, size: 1 } } };
    expect(regressed(with_(accepting({}, { what: "boot" })), { facts }, smaller)).toEqual([
      expect.stringMatching(/^kernel-amd64: vmlinux-amd64\.elf size 1 kB -> /),
    ]);
  });

  describe("of publish", () => {
    let server: GitHubServer;
    let directory: string;
    beforeEach(async () => {
      server = await GitHubServer.start();
      directory = tempDirectory();
      stage(small, directory);
    });
    afterEach(() => server.stop());

    async function published(cells: Cells, store: ReleaseStore, run = silentRun()) {
      const release = await store.prepare(cells.tag);
      const staged = new StagingDirectory(directory);
      for (const cell of cells.cells) await uploadCell({ cells, staged, store, release }, cell, run);
      const record = async () => {};
      return await publish({ cells, staged, store, release, record, before, final: true }, run);
    }
    const github = () => new Publisher(server, small, directory).store();

    it("refuses a regression on GitHub, and publishes what is accepted by name", async () => {
      expect((await published(with_(limits), github())).problems).toEqual([SIZE, BOOT]);
      const [draft] = server.github.releases;
      expect([draft!.draft, Object.keys(server.github.contents(draft!))]).toEqual([
        true,
        expect.not.arrayContaining(["manifest.json"]),
      ]);
      const accepted = with_(accepting({}, { what: "boot" }));
      expect((await published(accepted, github())).problems).toEqual([]);
      expect(draft!.draft).toBe(false);
    });

    it("only warns about a directory, which its owner can use as it is", async () => {
      const run = recordedRun();
      const path = tempDirectory();
      const { problems } = await published(with_(limits), new DirectoryReleases(path, TAG, silentRun()), run);
      expect([problems, run.warnings]).toEqual([[], [SIZE, BOOT]]);
    });
  });
});
