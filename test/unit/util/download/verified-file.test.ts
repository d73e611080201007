import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { SourceError } from "../../../../pipeline/util/download/source.ts";
import { fetchVerified } from "../../../../pipeline/util/download/verified-file.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import { recordedRun, tempDirectory } from "../../../support/run.ts";

const CONTENT = Buffer.from("a root file system's tarball\n".repeat(10_000));
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");
const OTHER_SHA256 = "0".repeat(64);

/** A web server of the running test; returns the address of a tarball on it, and counts its requests. */
async function serve(listener: RequestListener) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(request.url!);
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/rootfs.tar.gz`, seen, close };
}

const whole: RequestListener = (_, response) => {
  response.writeHead(200, { "content-length": CONTENT.length }).end(CONTENT);
};
/** As patient as always, and quicker. */
const FAST = { attempts: 4, firstMs: 1, silenceMs: 400 };
const freshCache = () => join(tempDirectory(), "cache/rootfs");

describe("fetching a file", () => {
  it("from an address brings it into the cache by its content, and says how far it is", async () => {
    const { url } = await serve(whole);
    const cache = freshCache();
    const run = recordedRun();
    const path = await fetchVerified(url, SHA256, cache, run);
    expect(path).toBe(join(cache, SHA256));
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(readdirSync(cache)).toEqual([SHA256]);
    expect(run.bytes.at(-1)).toEqual({ done: CONTENT.length, total: CONTENT.length });
  });

  it("from a path copies it", async () => {
    const from = join(tempDirectory(), "rootfs.tar");
    writeFileSync(from, CONTENT);
    const run = recordedRun();
    const path = await fetchVerified(from, SHA256, freshCache(), run);
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(readFileSync(from).equals(CONTENT)).toBe(true);
    expect(run.bytes.at(-1)).toEqual({ done: CONTENT.length, total: CONTENT.length });
  });

  it("from a path that has an address in it is not taken for an address", async () => {
    const directory = join(tempDirectory(), "http:");
    mkdirSync(directory);
    writeFileSync(join(directory, "rootfs.tar"), CONTENT);
    const path = await fetchVerified(`${directory}//rootfs.tar`, SHA256, freshCache(), recordedRun());
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
  });

  it("happens once: what is in the cache is not asked for again", async () => {
    const { url, seen } = await serve(whole);
    const cache = freshCache();
    await fetchVerified(url, SHA256, cache, recordedRun());
    await fetchVerified(url, SHA256, cache, recordedRun());
    expect(seen).toEqual(["/rootfs.tar.gz"]);
  });

  it.each<[string, Buffer]>([
    ["of the same size", Buffer.alloc(CONTENT.length, "x")],
    ["that lack the end", CONTENT.subarray(0, 1000)],
    ["that go on", Buffer.concat([CONTENT, CONTENT])],
    ["that are none", Buffer.alloc(0)],
  ])("that brings bytes %s is refused, from an address, a path and the cache itself", async (_, wrong) => {
    const { url, seen } = await serve((__, response) => void response.end(wrong));
    const path = join(tempDirectory(), "rootfs.tar");
    writeFileSync(path, wrong);
    const cache = freshCache();
    for (const from of [url, path]) {
      const error = await fetchVerified(from, SHA256, cache, recordedRun()).catch((reason) => reason);
      expect(error).toBeInstanceOf(PipelineError);
      // Another source would have the same bytes declared: it is not tried.
      expect(error).not.toBeInstanceOf(SourceError);
      expect(error.code).toBe("digest-mismatch");
      expect(error.message).toContain(`${from} is not the expected file: its sha256 is `);
      expect(readdirSync(cache)).toEqual([]);
    }
    expect(seen).toHaveLength(1);
    writeFileSync(join(cache, SHA256), wrong);
    writeFileSync(path, CONTENT);
    const kept = await fetchVerified(path, SHA256, cache, recordedRun());
    expect(readFileSync(kept).equals(CONTENT)).toBe(true);
  });

  it("that brings other bytes names both hashes, and keeps nothing", async () => {
    const { url } = await serve(whole);
    const cache = freshCache();
    const error = await fetchVerified(url, OTHER_SHA256, cache, recordedRun()).catch((reason) => reason);
    expect(error).toBeInstanceOf(PipelineError);
    expect(error.message).toContain(`${url} is not the expected file`);
    expect(error.message).toContain(`its sha256 is ${SHA256}, expected ${OTHER_SHA256}`);
    expect(error.message).toContain("--rootfs-sha256");
    expect(readdirSync(cache)).toEqual([]);
  });

  it("that is not there fails with the server's answer, and keeps nothing", async () => {
    const { url } = await serve(
      (_, response) => void response.writeHead(404).end("<html>no such file</html>"),
    );
    const cache = freshCache();
    await expect(fetchVerified(url, SHA256, cache, recordedRun())).rejects.toThrow("HTTP 404 Not Found");
    expect(readdirSync(cache)).toEqual([]);
  });

  it("that is cut off goes on where it was cut", async () => {
    let cut = true;
    const ranges: (string | undefined)[] = [];
    const { url } = await serve((request, response) => {
      ranges.push(request.headers.range);
      if (cut) {
        cut = false;
        response.writeHead(200, { "content-length": CONTENT.length });
        response.write(CONTENT.subarray(0, 1000), () => response.destroy());
        return;
      }
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")![1]);
      response.writeHead(206, { "content-range": `bytes ${from}-${CONTENT.length - 1}/${CONTENT.length}` });
      response.end(CONTENT.subarray(from));
    });
    const cache = freshCache();
    const path = await fetchVerified(url, SHA256, cache, recordedRun(), { patience: FAST });
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=\d+-$/)]);
    expect(readdirSync(cache)).toEqual([SHA256]);
  });

  it("that is cut off again and again fails as what another source may still serve, and keeps nothing", async () => {
    const { url, seen } = await serve((_, response) => {
      response.writeHead(200, { "content-length": CONTENT.length });
      response.flushHeaders();
      response.destroy();
    });
    const cache = freshCache();
    const error = await fetchVerified(url, SHA256, cache, recordedRun(), { patience: FAST }).catch(
      (reason) => reason,
    );
    expect(error).toBeInstanceOf(SourceError);
    expect(error.code).toBe("not-fetched");
    expect(seen).toHaveLength(FAST.attempts);
    expect(readdirSync(cache)).toEqual([]);
  });

  it("that is interrupted half-way ends with the interruption, and keeps nothing", async () => {
    const run = recordedRun();
    const { url } = await serve((_, response) => {
      response.writeHead(200, { "content-length": CONTENT.length });
      // The rest never comes.
      response.write(CONTENT.subarray(0, 1000), () => run.interrupt(new Error("Ctrl-C")));
    });
    const cache = freshCache();
    await expect(fetchVerified(url, SHA256, cache, run)).rejects.toThrow();
    expect(run.signal.aborted).toBe(true);
    expect(readdirSync(cache)).toEqual([]);
  });

  it.each([
    [
      "nobody listens",
      async () => {
        const { url, close } = await serve(whole);
        await close();
        return url;
      },
    ],
    ["there is no file", async () => join(tempDirectory(), "missing.tar")],
    ["there is a directory", async () => tempDirectory()],
  ])("from where %s fails, and keeps nothing", async (_, from) => {
    const cache = freshCache();
    await expect(
      fetchVerified(await from(), SHA256, cache, recordedRun(), { patience: FAST }),
    ).rejects.toThrow();
    expect(existsSync(join(cache, SHA256))).toBe(false);
    expect(readdirSync(cache)).toEqual([]);
  });
});
