import { afterEach, expect, it, vi } from "vitest";
import { connect } from "../../../pipeline/image/docker/engine.ts";
import { buildNetwork } from "../../../pipeline/image/docker/network.ts";
import { buildKernel } from "../../../pipeline/image/kernel.ts";
import type { KernelCell } from "../../../pipeline/schema/cells.ts";
import { startEngine } from "../../support/docker-server.ts";
import { REPOSITORY } from "../../support/project.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";

afterEach(() => vi.unstubAllEnvs());

it("says of a kernel that is compiled how many files make has made", async () => {
  const image = `debian:trixie-slim@sha256:${"1".repeat(64)}`;
  const cell: KernelCell = {
    ...{
      id: "kernel-amd64",
      kind: "kernel",
      arch: "amd64",
      assets: [],
      inputs: "0".repeat(64),
      made_from: {},
      published: true,
    },
    ...{ dockerfile: "dockerfiles/kernel.Dockerfile", files: [], boots: ["base-amd64-debian"] },
    ...{ source: { package: "linux-source-6.12", version: "1" }, sources: [{ from: "image", image }] },
  };
  // As make prints them, cut where the engine likes.
  const lines = [
    "Step 9/9 : RUN sh /kernel/build\n  SYNC    include/config/auto.conf\n  CC      init/ma",
    "in.o\n  LZ4     arch/x86/boot/compressed/vmlinux.bin.lz4\nKernel: arch/x86/boot/bzImage is ready  (#1)\n ---> 1\n",
  ];
  const engine = await startEngine({
    [`GET /images/${image}/json`]: { json: { Id: "sha256:1", Architecture: "amd64" } },
    "POST /build": { lines: [...lines.map((stream) => ({ stream })), { error: "stopped here" }] },
  });
  vi.stubEnv("DOCKER_HOST", engine.host);
  const run = recordedRun();
  const options = {
    ...{ root: REPOSITORY, cache: tempDirectory(), network: buildNetwork({}, {}), noCache: false },
    ...{ dockerArch: "amd64" as const, sourceDateEpoch: 0 },
  };
  const building = buildKernel(await connect(), cell, tempDirectory(), options, run);
  await expect(building).rejects.toThrow("stopped here");
  expect(run.steps).toEqual(["compile kernel-amd64"]);
  expect(run.counts.map(({ done, unit }) => `${done} ${unit}`)).toEqual(["1 files", "2 files", "3 files"]);
});
