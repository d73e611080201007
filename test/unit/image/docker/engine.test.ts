import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { extract } from "tar-stream";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { buildImage } from "../../../../pipeline/image/docker/container-image.ts";
import {
  connect,
  hasImage,
  OWNER_LABEL,
  removeAbandonedContainers,
} from "../../../../pipeline/image/docker/engine.ts";
import { buildNetwork } from "../../../../pipeline/image/docker/network.ts";
import { dockerArch } from "../../../../pipeline/image/docker/tools-image.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import { startEngine } from "../../../support/docker-server.ts";
import { recordedRun, tempDirectory } from "../../../support/run.ts";

afterEach(() => vi.unstubAllEnvs());

/** Connects to the engine at `host` and returns the error that this ends with. */
async function failure(host: string): Promise<PipelineError> {
  vi.stubEnv("DOCKER_HOST", host);
  const error = await connect().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(PipelineError);
  return error as PipelineError;
}

/** A socket that a server listens on; `abandon` leaves its file behind with nobody listening. */
async function listeningSocket() {
  const path = join(tempDirectory(), "docker.sock");
  const server = createServer().listen(path);
  await once(server, "listening");
  const close = () => new Promise((resolve) => server.close(resolve));
  onTestFinished(async () => void (await close()));
  const abandon = async () => {
    // A server removes its socket by name when it closes.
    renameSync(path, `${path}.kept`);
    await close();
    renameSync(`${path}.kept`, path);
  };
  return { path, abandon };
}

describe("connecting to the Docker Engine", () => {
  it("says how to install it where there is neither a socket nor a dockerd", async () => {
    const directory = tempDirectory();
    vi.stubEnv("PATH", directory);
    const { message } = await failure(`unix://${directory}/docker.sock`);
    expect(message).toContain("Docker is missing");
    expect(message).toContain(`${directory}/docker.sock`);
    expect(message).toContain("apt-get install docker.io");
  });

  it("says how to start it where a dockerd is installed and there is no socket", async () => {
    const directory = tempDirectory();
    writeFileSync(join(directory, "dockerd"), "");
    vi.stubEnv("PATH", directory);
    const { message } = await failure(`unix://${directory}/docker.sock`);
    expect(message).toContain("Docker is installed but not running");
    expect(message).toContain("systemctl start docker");
  });

  it("says how to start it where nobody listens on the socket", async () => {
    const { path, abandon } = await listeningSocket();
    await abandon();
    const { message } = await failure(`unix://${path}`);
    expect(message).toContain(`Docker is not running (unix://${path} refuses connections)`);
    expect(message).toContain("systemctl start docker");
  });

  it("names the docker group where the socket is somebody else's", async () => {
    const { path } = await listeningSocket();
    chmodSync(path, 0);
    // No mode keeps root out: for this one connection the test is nobody.
    const root = process.geteuid!() === 0;
    if (root) process.seteuid!(65534);
    const message = await failure(`unix://${path}`)
      .then((error) => error.message)
      .finally(() => root && process.seteuid!(0));
    // The directory above is closed to others as well; either way it is a matter of permission.
    expect(message).toContain(`permission denied on unix://${path}`);
    expect(message).toContain("usermod -aG docker");
  });

  it("repeats what an engine that is unwell says, and where it looked", async () => {
    const { host } = await startEngine({
      "GET /_ping": { status: 500, json: { message: "containerd is gone" } },
    });
    const { message } = await failure(host);
    expect(message).toContain(`Docker does not answer at ${host}`);
    expect(message).toContain("containerd is gone");
    expect(message).toContain("DOCKER_HOST");
  });
});

describe("the machine that Docker runs on", () => {
  it.each(["amd64", "arm64"])("is a known one when it is %s", async (arch) => {
    const engine = await startEngine({ "GET /version": { json: { Version: "20.10.24", Arch: arch } } });
    vi.stubEnv("DOCKER_HOST", engine.host);
    expect(await dockerArch(await connect())).toBe(arch);
  });

  it("is refused by its name when no image can be made on it", async () => {
    const engine = await startEngine({ "GET /version": { json: { Version: "20.10.24", Arch: "s390x" } } });
    vi.stubEnv("DOCKER_HOST", engine.host);
    await expect(dockerArch(await connect())).rejects.toThrow(
      "Docker runs on s390x, where images cannot be built: use Docker on amd64 or arm64",
    );
  });
});

describe("what a killed run left behind", () => {
  it("is removed, and what a living one works with is not", async () => {
    const ended = spawn(process.execPath, ["--version"], { stdio: "ignore" });
    await once(ended, "exit");
    const container = (Id: string, pid: number) => ({ Id, Labels: { [OWNER_LABEL]: String(pid) } });
    const engine = await startEngine({
      "GET /containers/json": { json: [container("dead", ended.pid!), container("alive", process.pid)] },
      "DELETE /containers/dead": { status: 204, json: null },
    });
    vi.stubEnv("DOCKER_HOST", engine.host);
    await removeAbandonedContainers(await connect());

    const [listed] = engine.requests.filter(({ path }) => path === "/containers/json");
    expect(listed?.query.get("all")).toBe("true");
    expect(JSON.parse(listed?.query.get("filters") ?? "")).toEqual({ label: [OWNER_LABEL] });
    const removed = engine.requests.filter(({ method }) => method === "DELETE");
    expect(removed.map(({ path }) => path)).toEqual(["/containers/dead"]);
    // Running or not, and with its anonymous volumes.
    expect(Object.fromEntries(removed[0]!.query)).toMatchObject({ force: "true", v: "true" });
  });

  it.each([
    ["is gone already", 404],
    ["is being removed by somebody else", 409],
  ])("is no error when it %s", async (_, status) => {
    const engine = await startEngine({
      "GET /containers/json": { json: [{ Id: "dead", Labels: { [OWNER_LABEL]: "no pid" } }] },
      "DELETE /containers/dead": { status, json: { message: "too late" } },
    });
    vi.stubEnv("DOCKER_HOST", engine.host);
    await removeAbandonedContainers(await connect());
    expect(engine.requests.map(({ method }) => method)).toContain("DELETE");
  });
});

describe("an image", () => {
  it("is there, is not there, or cannot be looked up", async () => {
    const engine = await startEngine({
      "GET /images/there/json": { json: { Id: "sha256:1" } },
      "GET /images/broken/json": { status: 500, json: { message: "the store is damaged" } },
    });
    vi.stubEnv("DOCKER_HOST", engine.host);
    const docker = await connect();
    expect(await hasImage(docker, "there")).toBe(true);
    expect(await hasImage(docker, "missing")).toBe(false);
    await expect(hasImage(docker, "broken")).rejects.toThrow("the store is damaged");
  });
});

describe("a docker build", () => {
  const network = buildNetwork(
    { npmRegistry: "http://127.0.0.1:4873" },
    { HTTPS_PROXY: "http://proxy:3128" },
  );

  function project(): string {
    const root = tempDirectory();
    mkdirSync(join(root, "dockerfiles/network"), { recursive: true });
    writeFileSync(join(root, "dockerfiles/network/env"), "# nothing\n");
    writeFileSync(join(root, "dockerfiles/x.Dockerfile"), "FROM scratch\n");
    return root;
  }
  const options = (root: string) => ({
    root,
    dockerfile: "dockerfiles/x.Dockerfile",
    files: ["dockerfiles/network/env"],
    arch: "amd64" as const,
    tag: "smolvm/x:1",
    args: { BASE: "base" },
    network,
    noCache: false,
  });

  it("sends the network's files in place of the project's, and its settings as build arguments", async () => {
    const engine = await startEngine({ "POST /build": { lines: [{ stream: "Successfully built 1\n" }] } });
    vi.stubEnv("DOCKER_HOST", engine.host);
    await buildImage(await connect(), options(project()), recordedRun());

    const { query, body } = engine.requests.find(({ path }) => path === "/build")!;
    expect(query.get("t")).toBe("smolvm/x:1");
    expect(query.get("networkmode")).toBe("host");
    expect(JSON.parse(query.get("buildargs")!)).toEqual({ BASE: "base", HTTPS_PROXY: "http://proxy:3128" });
    expect(body.toString("latin1")).toContain("npm_config_registry='http://127.0.0.1:4873'");
    expect(body.toString("latin1")).not.toContain("# nothing");
  });

  it("that fails half-way ends with the engine's error and the build's last lines", async () => {
    const engine = await startEngine({
      "POST /build": {
        lines: [
          { stream: "Step 2/2 : RUN npm ci\n" },
          { stream: "npm error code E404\n\n" },
          { errorDetail: { code: 1 }, error: "The command returned a non-zero code: 1" },
        ],
      },
    });
    vi.stubEnv("DOCKER_HOST", engine.host);
    const docker = await connect();
    const error = await buildImage(docker, options(project()), recordedRun()).catch((reason) => reason);
    expect(error).toBeInstanceOf(PipelineError);
    expect(error.message).toBe(
      "docker build of dockerfiles/x.Dockerfile failed: The command returned a non-zero code: 1",
    );
    expect(error.details).toEqual(["  Step 2/2 : RUN npm ci", "  npm error code E404"]);
  });

  it.each([
    [["error: no such symbol\n", "more\n"], "no such symbol", []],
    [
      ["error: no su", "ch symbol\nerror: no such package\n"],
      "docker build of dockerfiles/x.Dockerfile failed for 2 reasons",
      ["- no such symbol", "- no such package"],
    ],
  ])("that fails with reasons of its recipe's own gives those: %j", async (said, message, details) => {
    const engine = await startEngine({
      "POST /build": { lines: [...said.map((stream) => ({ stream })), { error: "it broke" }] },
    });
    vi.stubEnv("DOCKER_HOST", engine.host);
    const docker = await connect();
    const error = await buildImage(docker, options(project()), recordedRun()).catch((reason) => reason);
    expect([error.message, error.details]).toEqual([message, details]);
  });

  it("that fails after many lines shows the last of them alone", async () => {
    const said = Array.from({ length: 100 }, (_, index) => `line ${index}`);
    const engine = await startEngine({
      "POST /build": { lines: [...said.map((line) => ({ stream: `${line}\n` })), { error: "it broke" }] },
    });
    vi.stubEnv("DOCKER_HOST", engine.host);
    const docker = await connect();
    const error = await buildImage(docker, options(project()), recordedRun()).catch((reason) => reason);
    expect(error.details).toEqual(said.slice(-20).map((line) => `  ${line}`));
  });

  it("gets files without their owner, times or umask, so that Docker's cache sees content alone", async () => {
    const engine = await startEngine({ "POST /build": { lines: [{ stream: "Successfully built 1\n" }] } });
    vi.stubEnv("DOCKER_HOST", engine.host);
    const root = project();
    mkdirSync(join(root, "init"));
    mkdirSync(join(root, "modules/bin"), { recursive: true });
    for (const file of ["init/init", "modules/index.js", "modules/bin/run"]) {
      writeFileSync(join(root, file), `// ${file}\n`, { mode: 0o600 });
    }
    chmodSync(join(root, "modules/bin/run"), 0o700);
    await buildImage(
      await connect(),
      {
        ...options(root),
        files: ["init/init"],
        tree: { from: join(root, "modules"), to: "dockerfiles/tools/node_modules" },
        network: buildNetwork({}, {}),
      },
      recordedRun(),
    );

    const { body } = engine.requests.find(({ path }) => path === "/build")!;
    const headers: object[] = [];
    const context = extract();
    Readable.from([body]).pipe(context as unknown as NodeJS.WritableStream);
    for await (const entry of context) {
      const { name, mode, uid, gid, mtime } = entry.header;
      headers.push({ name, mode, uid, gid, mtime: mtime?.getTime() });
      entry.resume();
    }
    const sent = (name: string, mode: number) => ({ name, mode, uid: 0, gid: 0, mtime: 0 });
    expect(headers).toEqual([
      sent("dockerfiles/x.Dockerfile", 0o644),
      // The one file that is run; a checkout may have lost its mode.
      sent("init/init", 0o755),
      sent("dockerfiles/network/env", 0o644),
      sent("dockerfiles/network/ca.pem", 0o644),
      sent("dockerfiles/tools/node_modules/bin/run", 0o755),
      sent("dockerfiles/tools/node_modules/index.js", 0o644),
    ]);
  });

  it("that the engine refuses ends with its reason", async () => {
    const engine = await startEngine({
      "POST /build": { status: 400, json: { message: "dockerfile parse error line 1" } },
    });
    vi.stubEnv("DOCKER_HOST", engine.host);
    const docker = await connect();
    await expect(buildImage(docker, options(project()), recordedRun())).rejects.toThrow(
      /docker build of dockerfiles\/x\.Dockerfile failed: .*dockerfile parse error line 1/,
    );
  });
});
