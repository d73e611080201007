import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { PipelineError } from "../../../pipeline/util/error.ts";
import { fetchVerified } from "../../../pipeline/util/fetch-file.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";

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

  it("that is cut off keeps nothing, and a second try fetches all of it", async () => {
    let cut = true;
    const { url, seen } = await serve((request, response) => {
      if (!cut) return whole(request, response);
      cut = false;
      response.writeHead(200, { "content-length": CONTENT.length });
      response.write(CONTENT.subarray(0, 1000), () => response.destroy());
    });
    const cache = freshCache();
    const error = await fetchVerified(url, SHA256, cache, recordedRun()).catch((reason) => reason);
    expect(error).toBeInstanceOf(Error);
    // The address is right and its content was not seen: another source may still serve.
    expect(error).not.toBeInstanceOf(PipelineError);
    expect(readdirSync(cache)).toEqual([]);
    await fetchVerified(url, SHA256, cache, recordedRun());
    expect(readdirSync(cache)).toEqual([SHA256]);
    expect(seen).toHaveLength(2);
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
    await expect(fetchVerified(await from(), SHA256, cache, recordedRun())).rejects.toThrow();
    expect(existsSync(join(cache, SHA256))).toBe(false);
    expect(readdirSync(cache)).toEqual([]);
  });
});
