import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { type FetchedProgram, fetchProgram } from "../../../pipeline/runtime/programs.ts";
import { PipelineError } from "../../../pipeline/util/error.ts";
import { FileServer } from "../../support/file-server.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";

const PATH = "/sbin/zinit";
const PROGRAM = Buffer.from("#!/bin/sh\nexec sleep infinity\n".repeat(2000));
const hashOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const SHA256 = hashOf(PROGRAM);
const RELEASES = "/threefoldtech/zinit/releases";
const ASSET = `${RELEASES}/download/v0.2.28/zinit-linux-x86_64`;
const LATEST = `${RELEASES}/latest/download/zinit-linux-x86_64`;
const QUICK = { attempts: 3, firstMs: 1, silenceMs: 500, secondMs: 1 };

let server: FileServer;
let directory: string;
beforeEach(async () => {
  server = await FileServer.start();
  server.files.set(ASSET, PROGRAM);
  server.redirects.set(LATEST, ASSET);
  directory = join(tempDirectory(), "programs");
});

const fetched = (path: string, sha256: string | null): Promise<FetchedProgram> =>
  fetchProgram(
    { path: PATH, url: `${server.url}${path}`, sha256 },
    { directory, declaredBy: "appliance", patience: QUICK },
    recordedRun(),
  );

async function refused(path: string, sha256: string | null): Promise<PipelineError> {
  const error = await fetched(path, sha256).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PipelineError);
  // Nothing half-written is left, and nothing that a later build would take.
  expect(existsSync(directory) ? readdirSync(directory) : []).toEqual([]);
  return error as PipelineError;
}

describe("a program of a release", () => {
  it("is fetched, verified and kept", async () => {
    const first = await fetched(ASSET, SHA256);
    expect(first).toEqual({
      ...{ path: PATH, url: `${server.url}${ASSET}`, version: "v0.2.28", sha256: SHA256 },
      ...{ from: join(directory, SHA256), to: "programs/sbin/zinit" },
    });
    expect(readFileSync(first.from)).toEqual(PROGRAM);
    expect(await fetched(ASSET, SHA256)).toEqual(first);
    expect(server.requests).toEqual([`GET ${ASSET}`]);
  });

  it("without a known sha256 is fetched and kept by its address, and says which bytes it has", async () => {
    const first = await fetched(ASSET, null);
    expect(first).toMatchObject({ sha256: SHA256, version: "v0.2.28" });
    expect(readFileSync(first.from)).toEqual(PROGRAM);
    expect(await fetched(ASSET, null)).toEqual(first);
    expect(server.requests).toEqual([`GET ${ASSET}`]);
  });

  it("of the newest release is that of the release that GitHub redirects to, asked for every time", async () => {
    expect(await fetched(LATEST, null)).toMatchObject({
      ...{ url: `${server.url}${ASSET}`, version: "v0.2.28", sha256: SHA256 },
    });
    const newer = ASSET.replace("v0.2.28", "v0.3.0");
    server.files.set(newer, Buffer.from("newer"));
    server.redirects.set(LATEST, newer);
    expect(await fetched(LATEST, null)).toMatchObject({
      ...{ url: `${server.url}${newer}`, version: "v0.3.0", sha256: hashOf(Buffer.from("newer")) },
    });
    expect(server.requests).toEqual([`HEAD ${LATEST}`, `GET ${ASSET}`, `HEAD ${LATEST}`, `GET ${newer}`]);
  });

  it("goes on where a connection broke", async () => {
    server.troubles.push({ kind: "cut", after: 1000 });
    expect(readFileSync((await fetched(ASSET, null)).from)).toEqual(PROGRAM);
    expect(server.requests).toEqual([`GET ${ASSET}`, `GET ${ASSET} bytes=1000-`]);
  });
});

describe("a program that cannot be had", () => {
  it("with another sha256 is refused", async () => {
    const error = await refused(ASSET, "0".repeat(64));
    expect(error.code).toBe("digest-mismatch");
    expect(error.message).toContain(`its sha256 is ${SHA256}, expected ${"0".repeat(64)}`);
    expect(error.message).toContain(
      "check the address and the sha256 of /sbin/zinit in the appliance's programs",
    );
  });

  it.each([
    ["a file that the release does not have", `${RELEASES}/download/v0.2.28/zinit-linux-aarch64`, SHA256],
    ["a release that there is not", `${RELEASES}/download/v9/zinit-linux-x86_64`, null],
    ["no newest release", "/threefoldtech/seektime/releases/latest/download/seektime", null],
  ])("is named: %s", async (_, path, sha256) => {
    const error = await refused(path, sha256);
    expect(error.code).toBe("not-fetched");
    expect(error.message).toBe(
      `/sbin/zinit: cannot fetch ${server.url}${path}: HTTP 404 Not Found: ` +
        "look at the release: it has no file of this name, or there is no such release",
    );
  });

  it.each([SHA256, null])(
    "is not taken when the download is cut again and again (sha256 %s)",
    async (sha256) => {
      // Each connection brings nothing more than the one before.
      server.ranges = false;
      server.troubles.push(...Array.from({ length: 5 }, () => ({ kind: "cut" as const, after: 1000 })));
      const error = await refused(ASSET, sha256);
      expect(error.code).toBe("not-fetched");
      expect(error.message).toContain(`/sbin/zinit: cannot fetch ${server.url}${ASSET}: `);
    },
  );

  it.each([
    [ASSET, 429],
    [ASSET, 403],
    [LATEST, 429],
    [LATEST, 403],
  ])("because the server limits how often it is asked: %s, %d", async (path, status) => {
    server.troubles.push(
      ...Array.from({ length: 5 }, () => ({ kind: "status" as const, status, retryAfter: "3600" })),
    );
    const error = await refused(path, null);
    expect(error.code).toBe("not-fetched");
    expect(error.message).toContain(`HTTP ${status} `);
    expect(error.message).toContain("the server limits how often it is asked from this network");
  });

  it("because the newest release is somewhere else", async () => {
    server.redirects.set(LATEST, "/login");
    expect((await refused(LATEST, null)).message).toContain(
      `it is redirected to ${server.url}/login, which is no file of a release`,
    );
  });

  it("because nobody answers", async () => {
    server.troubles.push(...Array.from({ length: 5 }, () => ({ kind: "silence" as const })));
    expect((await refused(LATEST, null)).code).toBe("not-fetched");
  });
});
