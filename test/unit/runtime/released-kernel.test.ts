import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { bootKernels, kernelDirectory } from "../../../pipeline/runtime/kinds/kernel/cache.ts";
import { releasedKernel, saveReleased } from "../../../pipeline/runtime/kinds/kernel/released.ts";
import type { Workshop } from "../../../pipeline/runtime/workshop.ts";
import type { KernelCell } from "../../../pipeline/schema/cells.ts";
import { GitHubServer } from "../../support/github/server.ts";
import { bytesOf, Publisher } from "../../support/github/staging.ts";
import { tempDirectory } from "../../support/run.ts";
import { silentRun } from "../../support/silent.ts";
import { sampleCells } from "../../support/tree.ts";

const all = sampleCells();
const kernel = all.cells.find(({ id }) => id === "kernel-amd64") as KernelCell;
const cells = { ...all, cells: all.cells.filter(({ id }) => id === "kernel-amd64") };
const [ELF, IMAGE] = ["vmlinux-amd64.elf", "vmlinux-amd64.image"] as const;
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

let server: GitHubServer;
let publisher: Publisher;
let cache: string;
beforeEach(async () => {
  server = await GitHubServer.start();
  publisher = Publisher.staged(server, cells);
  await publisher.all();
  cache = tempDirectory();
});
afterEach(() => server.stop());

const workshop = () => ({ cache, options: {}, run: silentRun() }) as unknown as Workshop;
const save = () =>
  saveReleased(
    kernelDirectory(workshop(), kernel),
    kernel,
    { digests: publisher.recorded!, store: publisher.store() },
    silentRun(),
  );
const saved = () => readdirSync(cache, { recursive: true });

it("images are booted with the kernel of a release, in the format of each machine, and nothing is compiled", async () => {
  await save();
  const { pci, mmio } = await bootKernels(workshop(), kernel);
  expect([pci.format, mmio.format]).toEqual(["image", "elf"]);
  for (const [{ kernel: path, sha256: hash }, asset] of [[pci, IMAGE] as const, [mmio, ELF] as const]) {
    expect(readFileSync(path, "utf8")).toBe(bytesOf(asset));
    expect(hash).toBe(sha256(bytesOf(asset)));
  }
});

it("a kernel that was compiled here comes first", async () => {
  await save();
  const directory = kernelDirectory(workshop(), kernel);
  mkdirSync(directory, { recursive: true });
  const facts = [ELF, IMAGE].map((asset, index) => ({
    ...{ schema_version: 1, id: kernel.id, kind: "kernel", arch: "amd64", asset, source: "a test" },
    ...{ format: index === 0 ? "elf" : "image", sha256: sha256(asset), size: 1, image_size: 1 },
    ...{ image_sha256: sha256(asset), inputs: kernel.inputs, overrides: [], packages: [] },
  }));
  writeFileSync(join(directory, "facts.json"), JSON.stringify(facts));
  const { pci } = await bootKernels(workshop(), kernel);
  expect([pci.kernel, pci.sha256]).toEqual([join(directory, "image"), sha256(IMAGE)]);
});

it("a kernel of a release is not taken for other inputs", async () => {
  await save();
  const other = { ...kernel, inputs: "f".repeat(64) };
  expect(await releasedKernel(kernelDirectory(workshop(), kernel))).toBeDefined();
  expect(await releasedKernel(kernelDirectory(workshop(), other))).toBeUndefined();
});

it("a download that breaks off is repeated", async () => {
  server.faults.add({ on: "download-asset", failure: { kind: "reset", when: "during" }, times: 2 });
  await save();
  expect(server.faults.pending).toBe(0);
  const { pci } = await bootKernels(workshop(), kernel);
  expect(readFileSync(pci.kernel, "utf8")).toBe(bytesOf(IMAGE));
});

it.each([ELF, IMAGE])("%s with other bytes is refused, and nothing is left", async (name) => {
  const asset = server.github.releases[0]!.assets.find((each) => each.name === name)!;
  Object.assign(asset, { bytes: Buffer.from(bytesOf(name).replace("t", "T")), told: asset.bytes });
  await expect(save()).rejects.toThrow(`but ${sha256(bytesOf(name))} is recorded`);
  expect(saved()).toEqual(["kernels"]);
});

it("a release without the kernel says so", async () => {
  server.github.releases.splice(0);
  await expect(save()).rejects.toThrow(
    `${cells.tag} on example/images on GitHub has no ${ELF}: compile it: \`npx smolvm-images cell kernel-amd64\``,
  );
  expect(saved()).toEqual(["kernels"]);
});
