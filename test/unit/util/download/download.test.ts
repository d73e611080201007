import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { type DownloadRequest, download, toFile } from "../../../../pipeline/util/download/download.ts";
import { SourceError, Unavailable } from "../../../../pipeline/util/download/source.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import { FileServer } from "../../../support/file-server.ts";
import { recordedRun, tempDirectory } from "../../../support/run.ts";

const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 251));
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");
const FAST = { attempts: 4, firstMs: 1, longestMs: 10, limitS: 100, secondMs: 0.1, silenceMs: 400 };

let server: FileServer;
let target: string;
beforeEach(async () => {
  server = await FileServer.start();
  server.files.set("/file", CONTENT);
  target = join(tempDirectory(), "file");
});

const fetched = (more: Partial<DownloadRequest> = {}, run = recordedRun()) => {
  const from = { kind: "address", url: `${server.url}/file` } as const;
  return download({ from, patience: FAST, ...more }, () => toFile(target), run);
};
const failureOf = async (work: Promise<unknown>): Promise<PipelineError> => {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(PipelineError);
  return error;
};
const isWhole = () => expect(readFileSync(target).equals(CONTENT)).toBe(true);

describe("a download", () => {
  it("brings the bytes, says how far it is, and who it is", async () => {
    const run = recordedRun();
    expect(await fetched({ sha256: SHA256, size: CONTENT.length }, run)).toMatchObject({
      wireSize: CONTENT.length,
    });
    isWhole();
    expect(run.bytes.at(-1)).toEqual({ done: CONTENT.length, total: CONTENT.length });
    expect(server.headers.map((each) => each["user-agent"])).toEqual(["smolvm-images"]);
  });

  it("goes on where it was cut, and takes no byte twice", async () => {
    server.troubles.push({ kind: "cut", after: 100_000 }, { kind: "stall", after: 100_000 });
    await fetched({ sha256: SHA256, giveUpMs: 200 });
    isWhole();
    const same = `"${SHA256}"`;
    expect(server.headers.map((each) => each["if-range"])).toEqual([undefined, same, same]);
    expect(server.requests).toEqual([
      "GET /file",
      expect.stringMatching(/^GET \/file bytes=\d+-$/),
      expect.stringMatching(/^GET \/file bytes=\d+-$/),
    ]);
  });

  it("skips what it has where a server does not know ranges", async () => {
    server.ranges = false;
    server.troubles.push({ kind: "cut", after: 100_000 });
    await fetched({ sha256: SHA256 });
    isWhole();
  });

  it("begins anew, once, where the file has become another one meanwhile", async () => {
    let version = 0;
    server.etag = () => `"${version++ === 0 ? "old" : "new"}"`;
    server.troubles.push({ kind: "cut", after: 100_000 });
    await fetched({ sha256: SHA256 });
    isWhole();
    expect(server.requests).toHaveLength(3);
    expect(server.requests[2]).toBe("GET /file");
  });

  it("gives up a file that becomes another one again and again", async () => {
    let version = 0;
    server.etag = () => `"${version++}"`;
    server.troubles.push({ kind: "cut", after: 100_000 }, { kind: "cut", after: 100_000 });
    server.troubles.push({ kind: "cut", after: 100_000 }, { kind: "cut", after: 100_000 });
    const error = await failureOf(fetched({ sha256: SHA256 }));
    expect(error).toBeInstanceOf(SourceError);
    expect(error.message).toBe("it changed while it was fetched");
  });

  it.each<[string, Partial<DownloadRequest>, string, string]>([
    [
      "other bytes",
      { sha256: "0".repeat(64) },
      `its sha256 is ${SHA256}, expected ${"0".repeat(64)}`,
      "digest-mismatch",
    ],
    [
      "more bytes than expected",
      { size: 1000 },
      "it has more than the 1000 bytes that are expected",
      "not-fetched",
    ],
    [
      "more bytes than it takes",
      { most: 1000 },
      "it has more than the 1000 bytes that are taken",
      "not-fetched",
    ],
  ])("refuses %s, from an address and from a path", async (_, request, message, code) => {
    const path = join(tempDirectory(), "source");
    writeFileSync(path, CONTENT);
    for (const from of [undefined, { kind: "path", path } as const]) {
      const error = await failureOf(fetched({ ...request, ...(from ? { from } : {}) }));
      expect(error).toBeInstanceOf(SourceError);
      expect(error).toMatchObject({ message, code });
    }
  });

  it("refuses fewer bytes than expected, however often it asks", async () => {
    const error = await failureOf(fetched({ size: CONTENT.length + 1 }));
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.message).toBe(`it ended after ${CONTENT.length} of ${CONTENT.length + 1} bytes`);
  });

  it("waits as long as a server asks", async () => {
    server.troubles.push({ kind: "status", status: 429, retryAfter: "2" });
    const started = performance.now();
    await fetched({ sha256: SHA256, patience: { ...FAST, secondMs: 100 } });
    // At least: a busy machine waits longer. A timer may be a millisecond early.
    expect(performance.now() - started).toBeGreaterThan(198);
    isWhole();
  });

  it.each<[string, Partial<DownloadRequest>, string]>([
    ["longer than it may ask", {}, "101"],
    ["longer than this source is waited for", { giveUpMs: 3_000 }, "4"],
  ])("does not wait for a server that asks for %s", async (_, request, retryAfter) => {
    server.troubles.push({ kind: "status", status: 503, retryAfter });
    const error = await failureOf(fetched(request));
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.message).toBe("HTTP 503 Service Unavailable");
    expect(server.requests).toHaveLength(1);
  });

  it("opens nothing where the proxy's variable is wrong", async () => {
    vi.stubEnv("HTTPS_PROXY", "nonsense");
    onTestFinished(() => void vi.unstubAllEnvs());
    const sink = vi.fn(() => toFile(target));
    const from = { kind: "address", url: `${server.url}/file` } as const;
    const error = await failureOf(download({ from }, sink, recordedRun()));
    expect(error.message).toContain("HTTPS_PROXY does not hold the http(s) address of a proxy");
    expect(sink).not.toHaveBeenCalled();
  });

  it("does not ask twice for what is not there", async () => {
    server.files.clear();
    const error = await failureOf(fetched());
    expect([error.message, error instanceof Unavailable]).toEqual(["HTTP 404 Not Found", false]);
    expect(server.requests).toHaveLength(1);
  });

  it("says that the disk is full, which no other source would change", async () => {
    const error = await failureOf(
      download(
        { from: { kind: "address", url: `${server.url}/file` }, patience: FAST },
        () => toFile("/dev/full"),
        recordedRun(),
      ),
    );
    expect(error).not.toBeInstanceOf(SourceError);
    expect(error).toMatchObject({ message: "no space left for /dev/full: make room", code: "disk-full" });
  });

  it("says that a file cannot be written, which no other source would change", async () => {
    target = join(tempDirectory(), "missing", "file");
    const error = await failureOf(fetched());
    expect(error).not.toBeInstanceOf(SourceError);
    expect(error).toMatchObject({
      message: `cannot write ${target}: no such file or directory`,
      code: "not-writable",
    });
  });

  it("ends with the reason of an interruption, also while it waits", async () => {
    server.troubles.push({ kind: "status", status: 503 });
    const run = recordedRun();
    const work = fetched({ patience: { ...FAST, firstMs: 3600_000, longestMs: 3600_000 } }, run);
    const ended = work.catch((error) => error);
    await expect.poll(() => server.requests.length).toBe(1);
    run.interrupt(new Error("Ctrl-C"));
    expect((await ended).message).toBe("Ctrl-C");
  });
});
