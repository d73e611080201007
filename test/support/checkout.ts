import { createHash } from "node:crypto";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BaseRootfs } from "../../pipeline/constructs/base-rootfs.ts";
import { Flavor } from "../../pipeline/constructs/flavor.ts";
import { npm } from "../../pipeline/constructs/install.ts";
import { Kernel } from "../../pipeline/constructs/kernel.ts";
import { PresetLayer } from "../../pipeline/constructs/preset-layer.ts";
import { Release } from "../../pipeline/constructs/release.ts";
import {
  type BaseCell,
  CELLS_PATH,
  type Cell,
  type Cells,
  type PresetCell,
} from "../../pipeline/schema/cells.ts";
import type { Facts, KernelFacts, RootfsFacts } from "../../pipeline/schema/facts.ts";
import { MANIFEST_PATH, manifestOf, manifestText } from "../../pipeline/schema/manifest.ts";
import { ARCHS, type KernelFormat, kernelAsset } from "../../pipeline/schema/names.ts";
import { cellsOf, synth } from "../../pipeline/synth/synth.ts";
import { REPOSITORY } from "./project.ts";
import { ACCOUNTED, PROVEN } from "./proven.ts";
import { tempDirectory } from "./run.ts";
import { lockfile, testApp, ubuntuBase } from "./tree.ts";

/** What the copy declares: two presets, on Ubuntu and on a Debian that is only built locally. */
function declared(): Cells {
  const names = ["agent", "other"];
  const app = testApp(
    Object.fromEntries(
      names.flatMap((name) => [
        [`dockerfiles/${name}/package-lock.json`, lockfile(name, {})],
        [`dockerfiles/${name}/package.json`, "{}"],
      ]),
    ),
  );
  const release = new Release(app, "test", {
    ...{ tag: "test-v1", repository: "example/images", defaultFlavor: "ubuntu" },
    ...{ archs: ARCHS, vmms: ["qemu", "firecracker"], newestFile: "2026-10-05T00:00:00Z" },
  });
  ubuntuBase(release);
  const debian = Flavor.debian({ version: "13", suite: "trixie", snapshot: "20261120T000000Z" });
  const packages = ["openssh-server"];
  new BaseRootfs(release, "base-debian", { flavor: debian, packages, diskMib: 1024, published: false });
  for (const name of names) {
    const install = npm(name, { binary: `${name}/bin` });
    const refuses = name === "other" ? { debian: "it cannot" } : {};
    new PresetLayer(release, name, { install, check: [name], refuses });
  }
  new Kernel(release, "kernel", {
    source: { package: "linux-source-6.12", version: "6.12.115-1" },
    ...{ buildOn: debian, boots: ["ubuntu"] },
  });
  return cellsOf(synth(app));
}

export const CHECKOUT_CELLS = declared();

/**
 * A checkout of the test's own, in which nothing is published and nothing has been built.
 * @param at where, below a directory of the test alone
 */
export function makeCheckout(at = "checkout"): string {
  const root = join(tempDirectory(), at);
  const files = {
    "pipeline/images.ts": "",
    [CELLS_PATH]: JSON.stringify(CHECKOUT_CELLS),
    [MANIFEST_PATH]: manifestText(manifestOf(CHECKOUT_CELLS, undefined)),
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

/** Such a checkout with the programs of this one, which find themselves there. */
export function copyCheckout(): string {
  const root = makeCheckout();
  for (const part of ["bin", "init", "pipeline", "package.json"]) {
    cpSync(join(REPOSITORY, part), join(root, part), { recursive: true });
  }
  symlinkSync(join(REPOSITORY, "node_modules"), join(root, "node_modules"));
  return root;
}

/** Puts a file and its facts where `cell` leaves them. */
export function stage(root: string, facts: Facts, bytes: Buffer): string {
  const path = join(root, "out/release", CHECKOUT_CELLS.tag, facts.asset);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  writeFileSync(`${path}.json`, JSON.stringify(facts));
  return path;
}

const sha256Of = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

const common = ({ id, arch, inputs }: Cell, asset: string, bytes: Buffer, image = bytes) => {
  const sha256 = sha256Of(bytes);
  return {
    ...{ schema_version: 1 as const, id, arch, asset, sha256, size: bytes.length },
    ...{ image_sha256: sha256Of(image), image_size: image.length, inputs, overrides: [], source: "a test" },
    sbom: { asset: `${asset}.cdx.json`, sha256, size: 1, components: {} },
    packages: [],
  };
};
const boot = { vmm: "qemu", accel: "tcg", init_uptime_s: 1 } as const;

export const kernelFacts = (cell: Cell, format: KernelFormat, bytes: Buffer): KernelFacts => ({
  ...common(cell, kernelAsset(cell.arch, format), bytes),
  ...{ kind: "kernel", format, boot: [{ ...boot, started: format, machine: "pci", rootfs: null }] },
});

/** @param image the unpacked file @default the asset itself */
export const rootfsFacts = (cell: BaseCell | PresetCell, bytes: Buffer, image?: Buffer): RootfsFacts => ({
  ...common(cell, cell.assets[0]!, bytes, image),
  ...{ kind: cell.kind, flavor: cell.flavor, preset: cell.kind === "preset" ? cell.preset : null },
  ...{ zstd_level: 3, content_size: 1, accounted: ACCOUNTED },
  boot: { ...boot, ms: 1, ready_uptime_s: 1, kernel_sha256: "0".repeat(64), check: null },
  proven: PROVEN,
});
