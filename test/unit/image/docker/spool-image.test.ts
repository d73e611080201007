import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { connect } from "../../../../pipeline/image/docker/engine.ts";
import { spoolImage } from "../../../../pipeline/image/docker/spool-image.ts";
import { type Answer, startEngine } from "../../../support/docker-server.ts";
import { tempDirectory } from "../../../support/run.ts";
import { silentRun } from "../../../support/silent.ts";

const EXPORTED = Buffer.from("what docker export sends");
const LAYERS = { LowerDir: "/var/lib/docker/overlay2/a-init/diff:/var/lib/docker/overlay2/b/diff" };

/** Spools an image on an engine that stores it in this way and answers in that way when a tool container is made. */
async function spooled(GraphDriver: object, tool: Answer) {
  const engine = await startEngine({
    "GET /version": { json: { KernelVersion: "1.0" } },
    "POST /containers/create": ({ body }) =>
      JSON.parse(String(body)).Image === "tools" ? tool : { status: 201, json: { Id: "made" } },
    "GET /containers/made/json": { json: { GraphDriver } },
    "GET /containers/made/export": { bytes: EXPORTED },
    "DELETE /containers/made": { status: 204, json: null },
  });
  vi.stubEnv("DOCKER_HOST", engine.host);
  const directory = tempDirectory();
  const options = { tools: "tools", directory, name: "tar" };
  await spoolImage(await connect(), "image", options, silentRun());
  const made = engine.requests.filter(({ path }) => path === "/containers/create");
  const asked = made.map(({ body }) => JSON.parse(String(body)));
  return { tar: await readFile(join(directory, "tar")), tool: asked.find(({ Image }) => Image === "tools") };
}

const FAILS: Answer = { status: 500, json: { message: "error while mounting volume" } };

describe("the tar of a container image", () => {
  it("is docker export's if Docker cannot mount the image's layers", async () => {
    const { tar, tool } = await spooled({ Name: "overlay2", Data: LAYERS }, FAILS);
    expect(tar).toEqual(EXPORTED);
    // It was tried, as root, on layers that Docker removes with the container.
    expect(tool.User).toBeUndefined();
    expect(tool.HostConfig.Mounts[0]).toMatchObject({
      ...{ Type: "volume", Target: "/rootfs" },
      VolumeOptions: { DriverConfig: { Options: { type: "overlay", o: `lowerdir=${LAYERS.LowerDir}` } } },
    });
  });

  it.each([
    ["Docker stores images in another way", { Name: "vfs", Data: {} }],
    ["Docker does not say where the layers are", { Name: "overlay2", Data: null }],
    ["Docker keeps images in containerd", undefined],
    ["there are too many layers", { Name: "overlay2", Data: { LowerDir: "/x".repeat(2001) } }],
  ])("is docker export's if %s", async (_, driver) => {
    const { tar, tool } = await spooled(driver as object, FAILS);
    expect(tar).toEqual(EXPORTED);
    expect(tool).toBeUndefined();
  });

  it("is not docker export's if the tool container is missing, which is an error of its own", async () => {
    const missing: Answer = { status: 404, json: { message: "no such image: tools" } };
    await expect(spooled({ Name: "overlay2", Data: LAYERS }, missing)).rejects.toThrow(
      "no such image: tools",
    );
  });
});
