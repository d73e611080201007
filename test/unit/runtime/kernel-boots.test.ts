import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BaseRootfs } from "../../../pipeline/constructs/base-rootfs.ts";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { connect } from "../../../pipeline/image/docker/engine.ts";
import { buildNetwork } from "../../../pipeline/image/docker/network.ts";
import { notAsDeclared } from "../../../pipeline/release/expected.ts";
import { uploadCell } from "../../../pipeline/release/upload.ts";
import { kernelDirectory } from "../../../pipeline/runtime/kinds/kernel/cache.ts";
import { type Outcome, runCells, STAGES, type Stage } from "../../../pipeline/runtime/run-cells.ts";
import type { CellOptions, Workshop } from "../../../pipeline/runtime/workshop.ts";
import type { BaseCell, Cells, KernelCell } from "../../../pipeline/schema/cells.ts";
import type { KernelBootFacts } from "../../../pipeline/schema/facts.ts";
import { KERNEL_FORMATS, kernelAsset } from "../../../pipeline/schema/names.ts";
import { DirectoryReleases } from "../../../pipeline/stores/directory/releases.ts";
import { StagingDirectory } from "../../../pipeline/stores/directory/staging.ts";
import { cellsOf, synth } from "../../../pipeline/synth/synth.ts";
import { startEngine } from "../../support/docker-server.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { testApp, testRelease, ubuntuBase } from "../../support/tree.ts";

const NOWHERE = "/nowhere/alpine.tar.gz";
const MISSED = "boots=alpine: not reached";

function declared(): Cells {
  const app = testApp();
  const release = testRelease(app, {}, { boots: ["ubuntu", "alpine"] });
  ubuntuBase(release);
  const tarballs = { amd64: { url: NOWHERE, sha256: "a".repeat(64) } };
  new BaseRootfs(release, "base-alpine", {
    ...{ flavor: Flavor.alpine({ version: "3.24", tarballs }), packages: ["openssh-server"], diskMib: 64 },
  });
  return cellsOf(synth(app));
}

const cells = declared();
const kernel = cells.cells.find((each): each is KernelCell => each.kind === "kernel")!;
const base = (flavor: string) =>
  cells.cells.find((each): each is BaseCell => each.kind === "base" && each.flavor === flavor)!;
const containerOf = ({ id, inputs }: BaseCell) => `smolvm/${id}:${inputs.slice(0, 12)}`;

let root: string;
beforeEach(() => {
  root = tempDirectory();
});
afterEach(() => vi.unstubAllEnvs());

/** A workshop whose Docker has the container images of some bases, and reaches nothing. */
async function workshopWith(
  flavors: readonly string[],
  options: Partial<CellOptions> = {},
): Promise<Workshop> {
  const there = flavors.map((flavor) => base(flavor));
  const engine = await startEngine(
    Object.fromEntries(there.map((cell) => [`GET /images/${containerOf(cell)}/json`, { json: { Id: "x" } }])),
  );
  vi.stubEnv("DOCKER_HOST", engine.host);
  const cache = join(root, "out/cache");
  mkdirSync(join(cache, "bases"), { recursive: true });
  for (const { id, inputs } of there) {
    const record = { paths: ["init"], source: "there", fallback: false, live: false };
    writeFileSync(join(cache, "bases", `${id}-${inputs.slice(0, 12)}.json`), JSON.stringify(record));
  }
  return {
    ...{
      cells,
      cache,
      run: recordedRun(),
      docker: await connect(),
      arch: "amd64",
      archs: ["amd64"],
      tools: "tools",
    },
    ...{ toolsLive: false, epoch: cells.source_date_epoch },
    options: { root, network: buildNetwork({}, {}), level: 19, noCache: false, secrets: [], ...options },
    staging: new StagingDirectory(join(root, "store")),
  };
}

const boot = (machine: "pci" | "mmio", { id, inputs }: BaseCell): KernelBootFacts => ({
  ...{ vmm: "qemu", accel: "tcg", init_uptime_s: 1, started: machine === "pci" ? "image" : "elf", machine },
  rootfs: { id, inputs, source: "there", ms: 2000, ready_uptime_s: 1.5 },
});

/** A compiled kernel in the cache, which has booted the bases of some flavors. */
function compiled(workshop: Workshop, booted: readonly string[]): void {
  const directory = kernelDirectory(workshop, kernel);
  mkdirSync(directory, { recursive: true });
  const facts = KERNEL_FORMATS.map((format) => ({
    ...{ schema_version: 1, id: kernel.id, kind: "kernel", arch: "amd64", format },
    ...{ asset: kernelAsset("amd64", format), sha256: "1".repeat(64), size: 6 },
    ...{ image_sha256: "1".repeat(64), image_size: 6, inputs: kernel.inputs, overrides: [] },
    ...{ source: "linux-source-6.12 6.12.115-1", packages: [{ type: "deb", name: "gcc", version: "1" }] },
  }));
  writeFileSync(join(directory, "facts.json"), JSON.stringify(facts));
  for (const name of ["elf", "image", "config", "probe.cpio"]) writeFileSync(join(directory, name), "kernel");
  const proof = {
    elf: booted.map((flavor) => boot("mmio", base(flavor))),
    image: booted.map((flavor) => boot("pci", base(flavor))),
  };
  writeFileSync(join(directory, "proof.json"), JSON.stringify(proof));
}

async function runKernel(workshop: Workshop, stages: readonly Stage[] = STAGES): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  await runCells(workshop, [kernel], stages, (outcome) => outcomes.push(outcome));
  return outcomes[0]!;
}

const warningsOf = ({ run }: Workshop) => (run as ReturnType<typeof recordedRun>).warnings;

describe("a kernel, where a base that proves it cannot be reached", () => {
  it("is staged with the bases that can be, and says in its facts and in a line what is not proven", async () => {
    const workshop = await workshopWith(["ubuntu"]);
    compiled(workshop, ["ubuntu"]);
    const { result, facts } = await runKernel(workshop);
    expect(result).toBe("staged");
    expect(facts.map(({ overrides }) => overrides)).toEqual([[MISSED], [MISSED]]);
    // Its inputs are not those of a kernel that is proven with all.
    expect(facts[0]!.inputs).not.toBe(kernel.inputs);
    expect(warningsOf(workshop)).toEqual([
      expect.stringMatching(
        /^kernel-amd64 is not proven with base-amd64-alpine, which cannot be reached \(cannot fetch \/nowhere\/alpine\.tar\.gz: .*\), so it cannot be published: .*--rootfs alpine=PATH\|URL/,
      ),
    ]);
  });

  it("is staged before only as long as nothing more can be proven, and then has no override", async () => {
    const before = await workshopWith(["ubuntu"]);
    compiled(before, ["ubuntu"]);
    await runKernel(before);
    expect(await runKernel(await workshopWith(["ubuntu"]))).toMatchObject({ result: "kept" });

    // Another checkout with the same cache has reached it.
    const after = await workshopWith(["ubuntu"]);
    compiled(after, ["ubuntu", "alpine"]);
    const { result, facts } = await runKernel(after);
    expect(result).toBe("staged");
    expect(facts.map(({ overrides, inputs }) => [overrides, inputs])).toEqual([
      [[], kernel.inputs],
      [[], kernel.inputs],
    ]);
    expect(facts[0]).toMatchObject({ boot: [{ rootfs: { id: base("ubuntu").id } }, { machine: "mmio" }] });
    expect(warningsOf(after)).toEqual([]);
    expect(await runKernel(await workshopWith([]))).toMatchObject({ result: "kept" });
  });

  it("is booted with that base alone, as soon as it can be reached", async () => {
    const before = await workshopWith(["ubuntu"]);
    compiled(before, ["ubuntu"]);
    await runKernel(before);
    // Its container is there now; that this Docker cannot export it ends the proof.
    const after = await workshopWith(["ubuntu", "alpine"]);
    await expect(runKernel(after)).rejects.toThrow();
    const exported = (after.run as ReturnType<typeof recordedRun>).steps;
    expect(exported).toEqual(["export the container's file system"]);
    // What was proven stays.
    const proof = JSON.parse(readFileSync(join(kernelDirectory(after, kernel), "proof.json"), "utf8"));
    expect(proof.elf).toHaveLength(1);
  });

  it("is not proven by another base of the same name", async () => {
    const workshop = await workshopWith(["ubuntu"]);
    compiled(workshop, ["ubuntu", "alpine"]);
    const path = join(kernelDirectory(workshop, kernel), "proof.json");
    writeFileSync(path, readFileSync(path, "utf8").replaceAll(base("alpine").inputs, "9".repeat(64)));
    const { facts } = await runKernel(workshop);
    expect(facts.map(({ overrides }) => overrides)).toEqual([[MISSED], [MISSED]]);
    expect(facts.map(({ boot }) => (boot as unknown[]).length)).toEqual([1, 1]);
  });

  it("is refused when none can be, with the reasons", async () => {
    const workshop = await workshopWith([]);
    compiled(workshop, []);
    rmSync(join(kernelDirectory(workshop, kernel), "proof.json"));
    const error = await runKernel(workshop).catch((reason) => reason);
    expect(error.message).toMatch(
      /^kernel-amd64: the kernel cannot be proven: none of its bases can be reached \(base-amd64-ubuntu, base-amd64-alpine\): .*--rootfs/,
    );
    expect(error.details).toEqual([expect.stringContaining(NOWHERE)]);
  });

  it("is not believed to be proven when it is built anew, or asked to be booted again, and none can be", async () => {
    for (const [options, stages] of [
      [{ noCache: true }, STAGES],
      [{}, ["verify"]],
    ] as const) {
      const workshop = await workshopWith([], options);
      compiled(workshop, ["ubuntu", "alpine"]);
      await expect(runKernel(workshop, stages)).rejects.toThrow("none of its bases can be reached");
    }
  });

  it("is refused when the user names a file system that is not there", async () => {
    const rootfs = [{ flavor: "alpine", from: "/nowhere/mine.tar", sha256: undefined }];
    const workshop = await workshopWith(["ubuntu"], { rootfs });
    compiled(workshop, ["ubuntu"]);
    await expect(runKernel(workshop)).rejects.toThrow("no source of the base file system can be reached");
  });

  it("is refused with --as-declared, before it is compiled and after it was staged", async () => {
    const strict = await workshopWith(["ubuntu"], { asDeclared: true });
    const refusal = `kernel-amd64: not as declared: ${MISSED}: run it again`;
    await expect(runKernel(strict)).rejects.toThrow(refusal);
    const lax = await workshopWith(["ubuntu"]);
    compiled(lax, ["ubuntu"]);
    await runKernel(lax);
    await expect(runKernel(await workshopWith(["ubuntu"], { asDeclared: true }))).rejects.toThrow(refusal);
  });

  it("is not for a public release, unless the tree accepts exactly that", async () => {
    const workshop = await workshopWith(["ubuntu"]);
    compiled(workshop, ["ubuntu"]);
    const { facts } = await runKernel(workshop);
    const accepting = (...accepts: string[]) => ({ ...cells, accepts });
    expect(notAsDeclared(accepting("boots=ubuntu: not reached", "boots"), facts)).toHaveLength(2);
    expect(notAsDeclared(accepting(MISSED), facts)).toEqual([]);

    const { run, staging: staged } = workshop;
    const directory = new DirectoryReleases(join(root, "release"), cells.tag, run);
    const release = await directory.prepare();
    // The directory in the place of GitHub: the refusal comes before anything is sent.
    const store = Object.assign(Object.create(directory), { isPublic: true });
    const upload = { cells, staged, store, release };
    await expect(uploadCell(upload, { ...kernel, published: true }, run)).rejects.toThrow(
      `not as declared: ${MISSED}`,
    );
  });
});
