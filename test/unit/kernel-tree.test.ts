import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Flavor } from "../../pipeline/constructs/flavor.ts";
import { Kernel, type KernelProps } from "../../pipeline/constructs/kernel.ts";
import { Release, type ReleaseProps } from "../../pipeline/constructs/release.ts";
import type { KernelCell } from "../../pipeline/schema/cells.ts";
import { PipelineError } from "../../pipeline/schema/error.ts";
import { cellsOf, synth } from "../../pipeline/synth/synth.ts";
import { REPOSITORY } from "../support/project.ts";
import { testApp, ubuntuBase } from "../support/tree.ts";

const DEBIAN = Flavor.debian({ version: "13", suite: "trixie", snapshot: "20261120T000000Z" });
const PROPS: KernelProps = {
  source: { package: "linux-source-6.12", version: "6.12.115-1" },
  buildOn: DEBIAN,
  boots: ["ubuntu"],
};

/** The kernels' cells of a release with one Ubuntu base. */
function kernels(
  props: Partial<KernelProps> = {},
  files: Record<string, string | undefined> = {},
  overrides: Partial<ReleaseProps> = {},
): KernelCell[] {
  const app = testApp(files);
  const release = new Release(app, "test", {
    ...{ tag: "test-v1", repository: "example/images", defaultFlavor: "ubuntu" },
    ...{ archs: ["amd64", "arm64"], vmms: ["qemu"], newestFile: "2026-10-05T00:00:00Z" },
    ...overrides,
  });
  ubuntuBase(release);
  new Kernel(release, "kernel", { ...PROPS, ...props });
  const { cells } = cellsOf(synth(app));
  return cells.filter((cell): cell is KernelCell => cell.kind === "kernel");
}

function errorOf(...args: Parameters<typeof kernels>): string[] {
  try {
    kernels(...args);
    return [];
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    return [error.message, ...error.details];
  }
}

describe("a kernel's cell", () => {
  it("has both formats of each arch, and the bases of its arch that must boot with it", () => {
    expect(kernels().map(({ id, assets, boots }) => [id, assets, boots])).toEqual([
      ["kernel-amd64", ["vmlinux-amd64.elf", "vmlinux-amd64.image"], ["base-amd64-ubuntu"]],
      ["kernel-arm64", ["vmlinux-arm64.elf", "vmlinux-arm64.image"], ["base-arm64-ubuntu"]],
    ]);
  });

  const [amd64, arm64] = kernels().map(({ inputs }) => inputs);
  const changed = (...args: Parameters<typeof kernels>) => {
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
    expect(changed({ source: { ...PROPS.source, version: "6.12.116-1" } })).toEqual(["amd64", "arm64"]);
  });

  // It takes minutes to compile: what leaves its bytes alone must not ask for it.
  it("has the same inputs whatever the tag, the instant, the other archs, and what is booted with it", () => {
    expect(changed({}, {}, { tag: "test-v2", newestFile: "2026-11-01T00:00:00Z" })).toEqual([]);
    expect(changed({}, edited("init/init"))).toEqual([]);
    expect(kernels({}, {}, { archs: ["amd64"] })[0]?.inputs).toBe(amd64);
  });
});

describe("what is wrong with a kernel", () => {
  it.each<[string, Parameters<typeof kernels>, RegExp]>([
    [
      "boots a flavor that is not there",
      [{ boots: ["fedora"] }],
      /^test\/kernel: boots: unknown flavor "fedora"; one of: ubuntu$/,
    ],
    ["boots nothing", [{ boots: [] }], /^test\/kernel: boots: name at least one flavor/],
    [
      "is made from a package that is no source of Linux",
      [{ source: { package: "linux-image-amd64", version: "1" } }],
      /^test\/kernel: source: "linux-image-amd64" is not one of Debian's packages linux-source-<version>$/,
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
      /^test\/kernel: buildOn: ubuntu has neither a suite nor an image/,
    ],
    [
      "is built without apt",
      [{ buildOn: Flavor.alpine({ version: "3.24", image: `alpine@sha256:${"0".repeat(64)}` }) }],
      /^test\/kernel: buildOn: alpine has no apt/,
    ],
  ])("is said when it %s", (_, args, message) => {
    const errors = errorOf(...args);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(message);
  });
});
