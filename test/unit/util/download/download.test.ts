import { createHash } from "node:crypto";
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { type DownloadRequest, download, toFile } from "../../../../pipeline/util/download/download.ts";
import { SourceError, Unavailable } from "../../../../pipeline/util/download/source.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import type { Run } from "../../../../pipeline/util/progress.ts";
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

const fetched = (more: Partial<DownloadRequest> = {}, run: Run = recordedRun()) => {
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
    // A compressed body would have another size and other ranges than the file.
    expect(server.headers.map((each) => each["accept-encoding"])).toEqual(["identity"]);
  });

  it("needs neither a hash nor a size, and the server gives the total", async () => {
    const run = recordedRun();
    expect(await fetched({}, run)).toMatchObject({ wireSize: CONTENT.length });
    isWhole();
    expect(new Set(run.bytes.map(({ total }) => total))).toEqual(new Set([CONTENT.length]));
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
    // The second answer is the whole file, without a Content-Length.
    server.troubles.push({ kind: "stall", after: 100_000 }, { kind: "short", after: CONTENT.length });
    const run = recordedRun();
    await fetched({ sha256: SHA256, giveUpMs: 300 }, run);
    isWhole();
    // Skipped bytes are no progress, and the total stays known.
    const done = run.bytes.map((each) => each.done);
    expect(done).toEqual([...new Set(done)].sort((a, b) => a - b));
    expect(new Set(run.bytes.map(({ total }) => total))).toEqual(new Set([CONTENT.length]));
  });

  it("resumes as often as the connection breaks, as long as each attempt brings new bytes", async () => {
    const breaks = Array.from({ length: 2 * FAST.attempts }, () => ({ kind: "short", after: 1000 }) as const);
    server.troubles.push(...breaks);
    await fetched({ sha256: SHA256, size: CONTENT.length });
    isWhole();
    expect(server.requests).toEqual([
      "GET /file",
      ...breaks.map((_, index) => `GET /file bytes=${(index + 1) * 1000}-`),
    ]);
  });

  it("is not complete where a resumed answer ends early, even if only Content-Range gives the size", async () => {
    server.troubles.push({ kind: "stall", after: 100_000 }, { kind: "short", after: 50_000 });
    await fetched({ giveUpMs: 300 });
    isWhole();
    expect(server.requests).toEqual(["GET /file", "GET /file bytes=100000-", "GET /file bytes=150000-"]);
  });

  it("knows the total also where Content-Range does not give it", async () => {
    server.sizeInRange = false;
    server.troubles.push({ kind: "stall", after: 100_000 });
    const run = recordedRun();
    await fetched({ giveUpMs: 300 }, run);
    isWhole();
    expect(server.requests).toEqual(["GET /file", "GET /file bytes=100000-"]);
    expect(new Set(run.bytes.map(({ total }) => total))).toEqual(new Set([CONTENT.length]));
  });

  it("sends If-Range only with a range", async () => {
    server.troubles.push({ kind: "short", after: 0 });
    await fetched({ size: CONTENT.length });
    expect(server.headers.map(({ range, "if-range": condition }) => [range, condition])).toEqual([
      [undefined, undefined],
      [undefined, undefined],
    ]);
  });

  it.each<[string, string | undefined]>([
    ["a weak ETag, which two versions of a file may share", 'W/"a"'],
    ["no ETag", undefined],
  ])("resumes without a condition where the server has %s", async (_, etag) => {
    server.etag = () => etag;
    server.troubles.push({ kind: "short", after: 1000 });
    await fetched({ sha256: SHA256, size: CONTENT.length });
    isWhole();
    expect(server.headers.map(({ range, "if-range": condition }) => [range, condition])).toEqual([
      [undefined, undefined],
      ["bytes=1000-", undefined],
    ]);
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

  it("takes a date to wait for by the server's clock, not by this machine's", async () => {
    const ahead = Date.now() + 3600_000;
    const retryAfter = new Date(ahead + 5_000).toUTCString();
    server.troubles.push({ kind: "status", status: 503, retryAfter, date: new Date(ahead) });
    await fetched({ sha256: SHA256 });
    isWhole();
    expect(server.requests).toHaveLength(2);
  });

  it.each([408, 429, 500, 502, 503, 504])("asks again after HTTP %i", async (status) => {
    server.troubles.push({ kind: "status", status });
    await fetched({ sha256: SHA256 });
    isWhole();
    expect(server.requests).toHaveLength(2);
  });

  it.each([400, 401, 403, 410, 451])("does not ask again after HTTP %i", async (status) => {
    // Some servers and proxies send no reason phrase.
    server.troubles.push({ kind: "status", status, text: "" });
    const error = await failureOf(fetched());
    expect([error.message, error instanceof Unavailable]).toEqual([`HTTP ${status}`, false]);
    expect(server.requests).toHaveLength(1);
  });

  it("makes five attempts, unless it is told otherwise", async () => {
    server.troubles.push(...Array.from({ length: 9 }, () => ({ kind: "status", status: 503 }) as const));
    await failureOf(fetched({ patience: { firstMs: 1, longestMs: 1 } }));
    expect(server.requests).toHaveLength(5);
  });

  it("makes only two attempts at a server that has never answered", async () => {
    const connections: Socket[] = [];
    const deaf = createServer((socket) => {
      connections.push(socket);
      // It hangs up once the request is there.
      socket.on("error", () => {}).once("data", () => socket.destroy());
    });
    await new Promise<void>((resolve) => deaf.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void deaf.close());
    const url = `http://127.0.0.1:${(deaf.address() as AddressInfo).port}/file`;
    expect(await failureOf(fetched({ from: { kind: "address", url } }))).toBeInstanceOf(Unavailable);
    expect(connections).toHaveLength(2);
  });

  const HOUR = 3600_000;

  it("gives up a silent server after `giveUpMs`, however long a connection may be silent", async () => {
    server.troubles.push({ kind: "silence" });
    const error = await failureOf(fetched({ giveUpMs: 100, patience: { ...FAST, silenceMs: HOUR } }));
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.message).toBe("no byte came within 0.1 s");
  });

  it("gives up a server after `giveUpMs` also while it waits for the next attempt", async () => {
    server.troubles.push({ kind: "status", status: 503 });
    const patience = { ...FAST, firstMs: HOUR, longestMs: HOUR };
    const error = await failureOf(fetched({ giveUpMs: 300, patience }));
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.message).toBe("no byte came within 0.3 s");
    expect(server.requests).toHaveLength(1);
  });

  it("leaves no timer behind, which would keep the program running", async () => {
    const started = vi.spyOn(globalThis, "setTimeout");
    const cleared = vi.spyOn(globalThis, "clearTimeout");
    onTestFinished(() => void vi.restoreAllMocks());
    await fetched({ giveUpMs: HOUR });
    const timers = started.mock.results
      .filter((_, index) => started.mock.calls[index]?.[1] === HOUR)
      .map(({ value }) => value);
    expect(timers).not.toEqual([]);
    const ended = new Set<unknown>(cleared.mock.calls.map(([timer]) => timer));
    expect(timers.filter((timer) => !ended.has(timer))).toEqual([]);
  });

  it("names the proxy's variable where the proxy does not answer", async () => {
    for (const name of ["https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"]) vi.stubEnv(name, "");
    // Nothing listens on port 1.
    for (const name of ["http_proxy", "HTTP_PROXY"]) vi.stubEnv(name, "http://127.0.0.1:1");
    onTestFinished(() => void vi.unstubAllEnvs());
    const error = await failureOf(fetched());
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.message).toBe("connect ECONNREFUSED 127.0.0.1:1, through the proxy that http_proxy names");
    expect(server.requests).toEqual([]);
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

  it("says that the disk is full also in the middle of a large local file", async () => {
    const path = join(tempDirectory(), "source");
    writeFileSync(path, "");
    truncateSync(path, 64 << 20);
    target = "/dev/full";
    const error = await failureOf(fetched({ from: { kind: "path", path } }));
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

  it("ends with the reason of an interruption, also while the server is silent", async () => {
    server.troubles.push({ kind: "silence" });
    const run = recordedRun();
    const ended = fetched({ patience: { ...FAST, silenceMs: HOUR } }, run).catch((error) => error);
    await expect.poll(() => server.requests.length).toBe(1);
    run.interrupt(new Error("Ctrl-C"));
    expect((await ended).message).toBe("Ctrl-C");
  });

  /** The run, with `onBytes` called for each progress. */
  const watched = (run: ReturnType<typeof recordedRun>, onBytes: () => void) => ({
    ...run,
    progress: { ...run.progress, bytes: onBytes },
  });

  it("ends with the reason of an interruption, also while it copies a local file", async () => {
    const path = join(tempDirectory(), "source");
    writeFileSync(path, CONTENT);
    const run = recordedRun();
    const interrupted = watched(run, () => run.interrupt(new Error("Ctrl-C")));
    await expect(fetched({ from: { kind: "path", path } }, interrupted)).rejects.toThrow(/^Ctrl-C$/);
  });

  it("says that a local file cannot be read, which another source would change", async () => {
    // A regular file that opens; no page is mapped at its first byte.
    const error = await failureOf(fetched({ from: { kind: "path", path: "/proc/self/mem" } }));
    expect(error).toBeInstanceOf(SourceError);
    expect(error).toMatchObject({ message: "it cannot be read: i/o error", code: "not-readable" });
  });

  it("does not take a failure of the caller's progress for one of its own file", async () => {
    const error = await fetched(
      {},
      watched(recordedRun(), () => appendFileSync("/dev/full", "a line of a log")),
    ).catch((reason) => reason);
    expect(error).toMatchObject({ code: "ENOSPC", message: expect.stringMatching(/^ENOSPC: /) });
  });
});
