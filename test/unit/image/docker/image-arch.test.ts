import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { extract, pack } from "tar-stream";
import { afterEach, expect, it, vi } from "vitest";
import { connect } from "../../../../pipeline/image/docker/engine.ts";
import { importImage } from "../../../../pipeline/image/docker/image-arch.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import { type Engine, startEngine } from "../../../support/docker-server.ts";

afterEach(() => vi.unstubAllEnvs());

const IMAGE = "smolvm/rootfs:1";
const CONFIG = `${"c".repeat(64)}.json`;
const LAYER = Buffer.alloc(100_000, "layer");

/** What `docker save` gives. */
async function saved(): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: "a1/", type: "directory" });
  tar.entry({ name: "a1/layer.tar" }, LAYER);
  tar.entry({ name: CONFIG }, JSON.stringify({ architecture: "amd64", rootfs: { diff_ids: ["sha256:a1"] } }));
  tar.entry({ name: "manifest.json" }, JSON.stringify([{ Config: CONFIG, RepoTags: [IMAGE] }]));
  tar.finalize();
  return await buffer(tar);
}

/** An engine with an image labelled amd64, which has the label `after` once an image is loaded. */
async function engineWith(after: string): Promise<Engine> {
  let loaded = false;
  const bytes = await saved();
  const engine = await startEngine({
    [`GET /images/${IMAGE}/json`]: () => ({
      json: loaded ? { Id: "sha256:2", Architecture: after } : { Id: "sha256:1", Architecture: "amd64" },
    }),
    "POST /images/create": { lines: [{ status: "sha256:1" }] },
    [`GET /images/${IMAGE}/get`]: { bytes },
    "POST /images/load": () => {
      loaded = true;
      return { lines: [{ stream: `Loaded image: ${IMAGE}` }] };
    },
    "DELETE /images/sha256:1": { json: [] },
  });
  vi.stubEnv("DOCKER_HOST", engine.host);
  return engine;
}

it("an image of another arch than its label's gets the right label, and the same layer", async () => {
  const engine = await engineWith("arm64");
  await importImage(await connect(), Readable.from([LAYER]), IMAGE, "arm64");
  const tar = extract();
  tar.end(engine.requests.find(({ path }) => path === "/images/load")!.body);
  const entries: [string, Buffer][] = [];
  for await (const entry of tar) entries.push([entry.header.name, await buffer(entry)]);
  expect(entries.map(([name]) => name)).toEqual(["a1/", "a1/layer.tar", CONFIG, "manifest.json"]);
  expect(entries[1]![1].equals(LAYER)).toBe(true);
  expect(JSON.parse(String(entries[2]![1]))).toEqual({
    ...{ architecture: "arm64", rootfs: { diff_ids: ["sha256:a1"] } },
  });
  expect(engine.requests.at(-1)).toMatchObject({ method: "DELETE", path: "/images/sha256:1" });
});

it("a right label stays, and one that Docker does not take is an error", async () => {
  const right = await engineWith("amd64");
  await importImage(await connect(), Readable.from([LAYER]), IMAGE, "amd64");
  expect(right.requests.map(({ path }) => path)).not.toContain("/images/load");
  const stubborn = await engineWith("amd64");
  const error = await importImage(await connect(), Readable.from([LAYER]), IMAGE, "arm64").catch(
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PipelineError);
  expect(String(error)).toContain(`Docker labels ${IMAGE} amd64, but its programs are arm64: use a newer`);
  expect(stubborn.requests.some(({ method }) => method === "DELETE")).toBe(false);
});
