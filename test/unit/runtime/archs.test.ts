import { afterEach, describe, expect, it, vi } from "vitest";
import { buildNetwork } from "../../../pipeline/image/docker/network.ts";
import { openWorkshop } from "../../../pipeline/runtime/workshop.ts";
import { cellsOf, synth } from "../../../pipeline/synth/synth.ts";
import { startEngine } from "../../support/docker-server.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { testApp, testRelease, ubuntuBase } from "../../support/tree.ts";

afterEach(() => vi.unstubAllEnvs());

const app = testApp();
ubuntuBase(testRelease(app, { archs: ["amd64", "arm64"] }));
const cells = cellsOf(synth(app));
const [native, foreign, kernel] = ["base-amd64-ubuntu", "base-arm64-ubuntu", "kernel-arm64"].map(
  (wanted) => cells.cells.find(({ id }) => id === wanted)!,
) as [(typeof cells.cells)[0], (typeof cells.cells)[0], (typeof cells.cells)[0]];

/** Opens a workshop for cells, at a Docker on amd64 that has the tool container and ends the probe with `status`. */
async function open(selected: readonly (typeof native)[], status: number) {
  const engine = await startEngine({
    "GET /version": { json: { Version: "20.10.24", Arch: "amd64" } },
    [`GET /images/smolvm/tools:${cells.tools.inputs.slice(0, 12)}/json`]: { json: { Id: "sha256:1" } },
    "POST /images/create": { lines: [{ status: "sha256:1" }] },
    "POST /containers/create": { status: 201, json: { Id: "one" } },
    "POST /containers/one/start": { status: 204, json: null },
    "POST /containers/one/wait": { json: { StatusCode: status } },
    "DELETE /containers/one": { status: 204, json: null },
  });
  vi.stubEnv("DOCKER_HOST", engine.host);
  const run = recordedRun();
  const root = tempDirectory();
  const options = { root, network: buildNetwork({}, {}), level: 1, noCache: false, secrets: [] };
  const outcome = await openWorkshop(cells, selected, options, run).catch((error: Error) => error);
  const paths = engine.requests.map(({ method, path }) => `${method} ${path}`);
  return { outcome, paths, warnings: run.warnings };
}

describe("a cell of another arch than Docker's", () => {
  it("is refused before any work where Docker does not run its programs, with what to install", async () => {
    const { outcome, paths, warnings } = await open([native, foreign], 1);
    expect(outcome).toMatchObject({
      code: "wrong-arch",
      message: expect.stringMatching(
        /^base-arm64-ubuntu must be built on arm64, but this machine's Docker runs on amd64 and does not emulate arm64: install qemu-user-static and binfmt-support .*, or build it on arm64, as the workflow does$/,
      ),
    });
    expect(warnings).toEqual([]);
    // Nothing was looked at or made but the probe.
    expect(paths.filter((path) => path.includes("tools"))).toEqual([]);
    expect(paths.at(-1)).toBe("DELETE /containers/one");
  });

  it("is built where Docker runs them, with a warning that it is emulated", async () => {
    const { outcome, warnings } = await open([native, foreign], 42);
    expect(outcome).toMatchObject({ arch: "amd64", archs: ["amd64", "arm64"] });
    expect(warnings).toEqual([
      "Docker runs on amd64 and emulates arm64, so this build takes minutes longer: base-arm64-ubuntu",
    ]);
  });

  it("is a kernel: it is compiled anyway, and booted with bases where they can be built", async () => {
    expect((await open([kernel], 1)).outcome).toMatchObject({ archs: ["amd64"] });
    expect((await open([kernel], 42)).outcome).toMatchObject({ archs: ["amd64", "arm64"] });
  });

  it("costs the other cells nothing: Docker is not asked", async () => {
    const { outcome, paths } = await open([native], 1);
    expect(outcome).toMatchObject({ archs: ["amd64"] });
    expect(paths).not.toContain("POST /images/create");
  });
});
