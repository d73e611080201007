import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { extract } from "tar-stream";
import { afterEach, describe, expect, it, vi } from "vitest";
import { runsPrograms } from "../../../../pipeline/image/docker/emulation.ts";
import { connect } from "../../../../pipeline/image/docker/engine.ts";
import type { Arch } from "../../../../pipeline/schema/names.ts";
import { hostArch } from "../../../../pipeline/vm/accel.ts";
import { type Answer, type Engine, startEngine } from "../../../support/docker-server.ts";
import { tempDirectory } from "../../../support/run.ts";

afterEach(() => vi.unstubAllEnvs());

/** An engine whose containers start as `start` says and end with `status`. */
const engineWith = (status: number, start: Answer = { status: 204, json: null }) =>
  startEngine({
    "POST /images/create": { lines: [{ status: "sha256:1" }] },
    "POST /containers/create": { status: 201, json: { Id: "probe" } },
    "POST /containers/probe/start": start,
    "POST /containers/probe/wait": { json: { StatusCode: status } },
    "DELETE /containers/probe": { status: 204, json: null },
  });

async function ask(engine: Engine, arch: Arch = "arm64"): Promise<boolean> {
  vi.stubEnv("DOCKER_HOST", engine.host);
  return await runsPrograms(await connect(), arch);
}

const removed = ({ requests }: Engine) => requests.some(({ method }) => method === "DELETE");

describe("whether Docker runs programs of an arch", () => {
  it("is what a program of that arch says by its exit status", async () => {
    const engine = await engineWith(42);
    expect(await ask(engine)).toBe(true);
    expect(removed(engine)).toBe(true);
    // What Docker says when its kernel cannot run the file.
    expect(await ask(await engineWith(1))).toBe(false);
    expect(await ask(await engineWith(255))).toBe(false);
  });

  it("is no where the start fails for that reason, and an error where it fails for another", async () => {
    const cannot = "OCI runtime create failed: exec /probe: exec format error: unknown";
    const engine = await engineWith(0, { status: 400, json: { message: cannot } });
    expect(await ask(engine)).toBe(false);
    expect(removed(engine)).toBe(true);
    const full = { status: 500, json: { message: "no space left on device" } };
    const broken = await engineWith(0, full);
    await expect(ask(broken)).rejects.toThrow("no space left on device");
    expect(removed(broken)).toBe(true);
  });

  it("is asked with a program that this machine runs, where it is of its arch", async () => {
    const machines = { amd64: 62, arm64: 183 };
    for (const arch of ["amd64", "arm64"] as const) {
      const engine = await engineWith(42);
      await ask(engine, arch);
      const sent = engine.requests.find(({ path }) => path === "/images/create")!;
      const tar = extract();
      tar.end(sent.body);
      const files: Buffer[] = [];
      for await (const entry of tar) files.push(await buffer(entry));
      expect(files).toHaveLength(1);
      expect(files[0]!.readUInt16LE(18)).toBe(machines[arch]);
      if (arch !== hostArch()) continue;
      const path = join(tempDirectory(), "probe");
      writeFileSync(path, files[0]!);
      chmodSync(path, 0o755);
      expect(spawnSync(path).status).toBe(42);
    }
  });
});
