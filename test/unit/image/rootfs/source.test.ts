import { createHash } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { delimiter, join } from "node:path";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { connect } from "../../../../pipeline/image/docker/engine.ts";
import { buildNetwork } from "../../../../pipeline/image/docker/network.ts";
import { importRootfs } from "../../../../pipeline/image/rootfs/source.ts";
import type { RootfsSource } from "../../../../pipeline/schema/cells.ts";
import type { Arch } from "../../../../pipeline/schema/names.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import { type Engine, startEngine } from "../../../support/docker-server.ts";
import { recordedRun, tempDirectory } from "../../../support/run.ts";

afterEach(() => vi.unstubAllEnvs());

const CONTENT = "a root file system's tarball";
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");
const IMPORTED = { lines: [{ status: "sha256:1" }] };
/** What an engine without a way to its registry answers. */
const NO_REGISTRY = {
  status: 500,
  json: { message: "Get https://registry.example/v2/: dial tcp: no such host" },
};

const image = { from: "image", image: `debian:trixie-slim@sha256:${"1".repeat(64)}` } as const;
const bootstrap: RootfsSource = { from: "mmdebstrap", suite: "trixie" };
function tarball(content = CONTENT): RootfsSource {
  const url = join(tempDirectory(), "rootfs.tar");
  writeFileSync(url, content);
  return { from: "tarball", url, sha256: SHA256 };
}

/** Puts a program of the test in the place of mmdebstrap (and of the sudo in front of it). */
function fakeMmdebstrap(script: string): void {
  const directory = tempDirectory();
  const programs = { mmdebstrap: script, sudo: 'shift; exec "$@"' };
  for (const [name, body] of Object.entries(programs)) {
    writeFileSync(join(directory, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(directory, name), 0o755);
  }
  vi.stubEnv("PATH", `${directory}${delimiter}${process.env.PATH}`);
}

async function importFrom(
  engine: Engine,
  sources: readonly RootfsSource[],
  run = recordedRun(),
  aptMirror?: string,
  arch: Arch = "amd64",
) {
  vi.stubEnv("DOCKER_HOST", engine.host);
  const options = {
    arch,
    sourceDateEpoch: 1_700_000_000,
    network: buildNetwork({ aptMirror }, {}),
    cache: tempDirectory(),
    noCache: false,
  };
  return await importRootfs(await connect(), sources, options, run);
}
/** An engine with `image` of one arch, which becomes the one that the registry offers when it is pulled. */
function startRegistry({ there, offers }: { there?: Arch; offers: Arch }): Promise<Engine> {
  let arch = there;
  return startEngine({
    [`GET /images/${image.image}/json`]: () =>
      arch ? { json: { Id: "sha256:1", Architecture: arch } } : { status: 404, json: { message: "none" } },
    "POST /images/create": () => {
      arch = offers;
      return { lines: [{ status: "Pull complete" }] };
    },
    [`POST /images/${image.image}/tag`]: { status: 201, json: {} },
  });
}

const called = ({ requests }: Engine, method: string, path: string) =>
  requests.filter((request) => request.method === method && request.path === path);

describe("a base's first files", () => {
  it("are the image that is there already, without asking anybody", async () => {
    const there = { json: { Id: "sha256:1", Architecture: "amd64" } };
    const engine = await startEngine({ [`GET /images/${image.image}/json`]: there });
    expect(await importFrom(engine, [image])).toEqual({
      image: image.image,
      source: image.image,
      from: image,
    });
    expect(called(engine, "POST", "/images/create")).toEqual([]);
  });

  it("are pulled by digest, for the arch that is built", async () => {
    // The same name, of another arch: what Docker pulled for that.
    const engine = await startRegistry({ there: "arm64", offers: "amd64" });
    const name = `smolvm/pulled:${createHash("sha256").update(image.image).digest("hex").slice(0, 12)}-amd64`;
    expect(await importFrom(engine, [image])).toEqual({ image: name, source: image.image, from: image });
    const [tagged] = called(engine, "POST", `/images/${image.image}/tag`);
    expect(`${tagged?.query.get("repo")}:${tagged?.query.get("tag")}`).toBe(name);
    const [pulled] = called(engine, "POST", "/images/create");
    expect(pulled?.query.get("fromImage")).toContain("debian");
    expect(`${pulled?.query.get("fromImage")} ${pulled?.query.get("tag")}`).toContain("1".repeat(64));
    expect(pulled?.query.get("platform")).toBe("linux/amd64");
  });

  it("are not an image that the registry has for another arch only", async () => {
    const engine = await startRegistry({ offers: "arm64" });
    const error = await importFrom(engine, [image]).catch((reason) => reason);
    expect(error.details).toEqual([
      expect.stringMatching(
        /^- cannot pull debian:trixie-slim@.*: Docker pulled it for arm64, not for amd64$/,
      ),
    ]);
    expect(called(engine, "POST", `/images/${image.image}/tag`)).toEqual([]);
  });

  it("come from the next source where no registry answers, and the reader is warned", async () => {
    const engine = await startEngine({
      "POST /images/create": ({ query }) => (query.has("fromImage") ? NO_REGISTRY : IMPORTED),
    });
    const source = tarball();
    const run = recordedRun();
    const imported = await importFrom(engine, [image, source], run);
    expect(imported.from).toBe(source);
    expect(imported.image).toBe(`smolvm/rootfs:${SHA256.slice(0, 12)}`);
    expect(imported.source).toContain(SHA256);
    expect(run.warnings).toHaveLength(1);
    expect(run.warnings[0]).toMatch(
      /^cannot pull debian:trixie-slim@.*no such host; trying the next source$/,
    );

    const given = called(engine, "POST", "/images/create").find(({ query }) => query.has("fromSrc"));
    expect(given?.body.toString()).toBe(CONTENT);
    expect(Object.fromEntries(given!.query)).toMatchObject({
      repo: "smolvm/rootfs",
      tag: SHA256.slice(0, 12),
      platform: "linux/amd64",
    });
  });

  it("are labelled with their arch, also by a Docker that labels every import with its own", async () => {
    const name = `smolvm/rootfs:${SHA256.slice(0, 12)}`;
    let imported = false;
    const engine = await startEngine({
      "POST /images/create": () => {
        imported = true;
        return IMPORTED;
      },
      [`GET /images/${name}/json`]: () =>
        imported
          ? { json: { Id: "sha256:1", Architecture: "amd64" } }
          : { status: 404, json: { message: "no such image" } },
      [`GET /images/${name}/get`]: { bytes: Buffer.alloc(1024) },
      "POST /images/load": { lines: [] },
    });
    // This one does not take the label either.
    await expect(importFrom(engine, [tarball()], recordedRun(), undefined, "arm64")).rejects.toThrow(
      `Docker labels ${name} amd64, but its programs are arm64`,
    );
    expect(called(engine, "POST", "/images/load")).toHaveLength(1);
  });

  it("do not come from another source when a tarball is not the expected one", async () => {
    const engine = await startEngine({ "POST /images/create": IMPORTED });
    await expect(importFrom(engine, [tarball("something else"), image])).rejects.toThrow(
      `expected ${SHA256}: check the address`,
    );
    expect(called(engine, "POST", "/images/create")).toEqual([]);
  });

  it("come from Debian's archive through mmdebstrap, from the mirror where there is one", async () => {
    // Its arguments are what it would have made of them.
    fakeMmdebstrap('echo "$SOURCE_DATE_EPOCH $@"');
    const engine = await startEngine({ "POST /images/create": IMPORTED });
    const mirror = "http://mirror.company.example/debian";
    const imported = await importFrom(engine, [bootstrap], recordedRun(), mirror);
    expect(imported).toEqual({
      image: "smolvm/mmdebstrap:trixie-amd64-1700000000",
      source: "mmdebstrap trixie",
      from: bootstrap,
    });
    const body = called(engine, "POST", "/images/create")[0]?.body.toString();
    expect(body).toMatch(/^1700000000 .*--architectures=amd64/);
    expect(body?.trim().endsWith(`trixie - ${mirror}`)).toBe(true);
  });

  it("are not half of what mmdebstrap was making when it failed", async () => {
    fakeMmdebstrap('echo half; echo "I: retrieving" >&2; echo "E: cannot reach the archive" >&2; exit 25');
    const name = "smolvm/mmdebstrap:trixie-amd64-1700000000";
    let there = false;
    const engine = await startEngine({
      "POST /images/create": () => {
        there = true;
        return IMPORTED;
      },
      [`GET /images/${name}/json`]: () =>
        there ? { json: { Id: "sha256:1" } } : { status: 404, json: { message: "no such image" } },
      [`DELETE /images/${name}`]: () => {
        there = false;
        return { json: [] };
      },
    });
    const error = await importFrom(engine, [bootstrap]).catch((reason) => reason);
    expect(error).toBeInstanceOf(PipelineError);
    expect(error.details).toEqual(["- mmdebstrap trixie failed: E: cannot reach the archive"]);
    expect(there).toBe(false);
  });

  it("do not wait for mmdebstrap when Docker has gone away", async () => {
    // A tar without an end: only its reader's end makes it stop.
    fakeMmdebstrap("exec yes");
    const socket = join(tempDirectory(), "docker.sock");
    const server = createServer((request, response) => {
      if (request.method === "POST") request.once("data", () => request.socket.destroy());
      else response.writeHead(request.url === "/_ping" ? 200 : 404).end("{}");
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    onTestFinished(() => void server.close());
    const gone = { host: `unix://${socket}`, requests: [] };
    await expect(importFrom(gone, [bootstrap])).rejects.toThrow(/socket hang up|EPIPE|ECONNRESET/);
  });

  it("that no source has end with the reason of each, and with what the user can give instead", async () => {
    vi.stubEnv("PATH", tempDirectory());
    const engine = await startEngine({ "POST /images/create": NO_REGISTRY });
    const missing = join(tempDirectory(), "missing.tar");
    const run = recordedRun();
    const sources: RootfsSource[] = [image, { from: "tarball", url: missing, sha256: SHA256 }, bootstrap];
    const error = await importFrom(engine, sources, run).catch((reason) => reason);
    expect(error).toBeInstanceOf(PipelineError);
    expect(error.message).toContain("--rootfs PATH|URL");
    expect(error.details).toEqual([
      expect.stringMatching(/^- cannot pull debian:trixie-slim@.*no such host$/),
      expect.stringMatching(`^- cannot fetch ${missing}: there is no such file$`),
      expect.stringMatching(/^- mmdebstrap is not installed: .*apt-get install mmdebstrap/),
    ]);
    // The last reason is in the error; there is no next source to announce.
    expect(run.warnings).toHaveLength(2);
  });

  it("are given up on when the run is interrupted, without a try at the next source", async () => {
    const run = recordedRun();
    const engine = await startEngine({
      "POST /images/create": () => {
        run.interrupt(new Error("Ctrl-C"));
        return "never";
      },
    });
    await expect(importFrom(engine, [image, tarball()], run)).rejects.toThrow("Ctrl-C");
    expect(run.warnings).toEqual([]);
    expect(called(engine, "POST", "/images/create")).toHaveLength(1);
  });
});
