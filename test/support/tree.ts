import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { App } from "../../pipeline/constructs/app.ts";
import { BaseRootfs, type BaseRootfsProps } from "../../pipeline/constructs/base-rootfs.ts";
import { Flavor } from "../../pipeline/constructs/flavor.ts";
import { Kernel, type KernelProps } from "../../pipeline/constructs/kernel.ts";
import { Release, type ReleaseProps } from "../../pipeline/constructs/release.ts";
import { declareImages as declareProject } from "../../pipeline/images.ts";
import type { Cells } from "../../pipeline/schema/cells.ts";
import { filesIn } from "../../pipeline/synth/project.ts";
import { cellsOf, synth } from "../../pipeline/synth/synth.ts";
import { PipelineError } from "../../pipeline/util/error.ts";
import { REPOSITORY } from "./project.ts";
import { tempDirectory } from "./run.ts";
import { isRecipe, SAMPLE_FILES } from "./sample/files.ts";
import { declareImages } from "./sample/images.ts";

export { lockfile } from "./sample/files.ts";

const committed = filesIn(REPOSITORY);

/** An app that sees the sample tree's files, except where `overlay` says otherwise (undefined: not there). */
export function testApp(overlay: Readonly<Record<string, string | undefined>> = {}): App {
  const own: Readonly<Record<string, string | undefined>> = { ...SAMPLE_FILES, ...overlay };
  return new App({
    files: (path) => (Object.hasOwn(own, path) ? own[path] : isRecipe(path) ? committed(path) : undefined),
  });
}

/** The sample tree: what it declares stays as it is. */
export function sampleApp(overlay: Readonly<Record<string, string | undefined>> = {}): App {
  const app = testApp(overlay);
  declareImages(app);
  return app;
}

/** The sample tree's cells. */
export const sampleCells = (): Cells => cellsOf(synth(sampleApp()));

/** Makes of the empty directory `root` one in which commands run, with what the sample tree synthesises to below `out/`. */
export function sampleCheckout(root = tempDirectory()): string {
  symlinkSync(join(REPOSITORY, "node_modules"), join(root, "node_modules"));
  for (const [path, text] of synth(sampleApp())) {
    if (!path.startsWith("out/")) continue;
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

/** The project's own tree: of it tests say only what holds whatever a maintainer declares. */
export function projectApp(): App {
  const app = new App({ files: committed });
  declareProject(app);
  return app;
}

/** What a release of one arch and one VMM is declared with. */
export const RELEASE_PROPS: ReleaseProps = {
  tag: "test-v1",
  repository: "example/images",
  archs: ["amd64"],
  vmms: ["qemu"],
  defaultFlavor: "ubuntu",
  newestFile: "2026-10-05T00:00:00Z",
};

/** What its kernel is declared with. */
export const KERNEL_PROPS: KernelProps = {
  source: { package: "linux-source-6.12", version: "6.12.115-1" },
  buildOn: Flavor.debian({ version: "13", suite: "trixie", snapshot: "20261120T000000Z" }),
  boots: ["ubuntu"],
};

/** A release that has a kernel and offers nothing yet. */
export function testRelease(
  app: App,
  props: Partial<ReleaseProps> = {},
  kernel: Partial<KernelProps> = {},
): Release {
  const release = new Release(app, "test", { ...RELEASE_PROPS, ...props });
  new Kernel(release, "kernel", { ...KERNEL_PROPS, ...kernel });
  return release;
}

/** What synth says is wrong with a tree: the one line, and the list below it. Empty where nothing is. */
export function errorsOf(app: App): string[] {
  try {
    synth(app);
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    return [error.message, ...error.details];
  }
  return [];
}

/** An Ubuntu base of a release, with what matters to a test. */
export function ubuntuBase(release: Release, props: Partial<BaseRootfsProps> = {}): BaseRootfs {
  const image = `ubuntu:24.04@sha256:${"0".repeat(64)}`;
  return new BaseRootfs(release, "base-ubuntu", {
    flavor: Flavor.ubuntu({ version: "24.04", image, snapshot: "20261120T000000Z" }),
    packages: ["openssh-server"],
    diskMib: 1024,
    ...props,
  });
}
