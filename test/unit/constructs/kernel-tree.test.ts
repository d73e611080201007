import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { App } from "../../../pipeline/constructs/app.ts";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { Kernel, type KernelProps } from "../../../pipeline/constructs/kernel.ts";
import { Release, type ReleaseProps } from "../../../pipeline/constructs/release.ts";
import type { KernelCell } from "../../../pipeline/schema/cells.ts";
import { cellsOf, synth } from "../../../pipeline/synth/synth.ts";
import { REPOSITORY } from "../../support/project.ts";
import {
  errorsOf,
  KERNEL_PROPS,
  RELEASE_PROPS,
  testApp,
  testRelease,
  ubuntuBase,
} from "../../support/tree.ts";

const { source } = KERNEL_PROPS;

/** A release for both archs with one Ubuntu base. */
function tree(
  props: Partial<KernelProps> = {},
  files: Record<string, string | undefined> = {},
  overrides: Partial<ReleaseProps> = {},
): App {
  const app = testApp(files);
  ubuntuBase(testRelease(app, { archs: ["amd64", "arm64"], ...overrides }, props));
  return app;
}

/** Its kernels' cells. */
const kernels = (...args: Parameters<typeof tree>): KernelCell[] =>
  cellsOf(synth(tree(...args))).cells.filter((cell) => cell.kind === "kernel");

describe("a kernel's cell", () => {
  it("has both formats of each arch, and the bases of its arch that must boot with it", () => {
    expect(kernels().map(({ id, assets, boots }) => [id, assets, boots])).toEqual([
      ["kernel-amd64", ["vmlinux-amd64.elf", "vmlinux-amd64.image"], ["base-amd64-ubuntu"]],
      ["kernel-arm64", ["vmlinux-arm64.elf", "vmlinux-arm64.image"], ["base-arm64-ubuntu"]],
    ]);
  });

  const [amd64, arm64] = kernels().map(({ inputs }) => inputs);
  const changed = (...args: Parameters<typeof tree>) => {
    const now = kernels(...args).map(({ inputs }) => inputs);
    return [...(now[0] === amd64 ? [] : ["amd64"]), ...(now[1] === arm64 ? [] : ["arm64"])];
  };
  const edited = (path: string) => ({ [path]: `${readFileSync(join(REPOSITORY, path), "utf8")}\n` });

  it.each([
    ["common.config", ["amd64", "arm64"]],
    ["amd64.config", ["amd64"]],
    ["arm64.config", ["arm64"]],
    ["build", ["amd64", "arm64"]],
    ["check-config", ["amd64", "arm64"]],
    ["probe.c", ["amd64", "arm64"]],
  ])("has other inputs when %s changes: %j", (file, archs) => {
    expect(changed({}, edited(`dockerfiles/kernel/${file}`))).toEqual(archs);
  });

  it("has other inputs with another version of the source", () => {
    expect(changed({ source: { ...source, version: "6.12.116-1" } })).toEqual(["amd64", "arm64"]);
  });

  // It takes minutes to compile: what leaves its bytes alone must not ask for it.
  it("has the same inputs whatever the tag, the instant, the other archs, and what is booted with it", () => {
    expect(changed({}, {}, { tag: "test-v2", newestFile: "2026-11-01T00:00:00Z" })).toEqual([]);
    expect(changed({}, edited("init/init"))).toEqual([]);
    expect(kernels({}, {}, { archs: ["amd64"] })[0]?.inputs).toBe(amd64);
  });
});

describe("what is wrong with a kernel", () => {
  it.each<[string, Parameters<typeof tree>, RegExp]>([
    [
      "boots a flavor that is not there",
      [{ boots: ["fedora"] }],
      /^test\/kernel: boots: unknown flavor "fedora"; one of: ubuntu$/,
    ],
    ["boots nothing", [{ boots: [] }], /^test\/kernel: boots: \[\] names no flavor: give at least one/],
    [
      "is made from a package that is no source of Linux",
      [{ source: { package: "linux-image-amd64", version: "1" } }],
      /^test\/kernel: source\.package: "linux-image-amd64" is not one of Debian's packages linux-source-<version>$/,
    ],
    [
      "has no configuration for an arch",
      [{}, { "dockerfiles/kernel/arm64.config": undefined }],
      /^test\/kernel: dockerfiles\/kernel\/arm64\.config is missing: it is the kernel's configuration$/,
    ],
    [
      "is built on a distribution that can be had on one arch alone",
      [
        {
          buildOn: Flavor.ubuntu({
            version: "24.04",
            snapshot: "20261120T000000Z",
            tarballs: { amd64: { url: "x", sha256: "0".repeat(64) } },
          }),
        },
      ],
      /^test\/kernel: buildOn: ubuntu has neither an image nor a suite/,
    ],
    [
      "is built without apt",
      [{ buildOn: Flavor.alpine({ version: "3.24", image: `alpine@sha256:${"0".repeat(64)}` }) }],
      /^test\/kernel: buildOn: alpine has no apt/,
    ],
  ])("is said when it %s", (_, args, message) => {
    const errors = errorsOf(tree(...args));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(message);
  });
});

describe("a release's kernel", () => {
  it("is missing: no image could be booted", () => {
    const app = testApp();
    ubuntuBase(new Release(app, "test", RELEASE_PROPS));
    expect(errorsOf(app)).toEqual(["test: has no Kernel, which every image needs to boot: declare one"]);
  });

  it("is one, which is built for each arch", () => {
    const app = testApp();
    const release = testRelease(app);
    ubuntuBase(release);
    new Kernel(release, "second", KERNEL_PROPS);
    expect(errorsOf(app)).toEqual([
      "test: has 2 Kernels (kernel, second): declare only one; it is built for each arch",
    ]);
  });

  it("boots a base of every arch", () => {
    const app = testApp();
    const release = testRelease(app, { archs: ["amd64", "arm64"] });
    ubuntuBase(release, { archs: ["amd64"] });
    expect(errorsOf(app).join("\n")).toContain(
      "test/kernel: boots: none of ubuntu has a base for arm64, so nothing proves that the kernel for arm64 works",
    );
  });
});
