import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { IMAGES_RELEASE_TAG } from "../../../../pipeline/images.ts";
import { FileServer } from "../../../support/file-server.ts";
import { type CliOptions, REPOSITORY, smolvm } from "../../../support/project.ts";
import { startProxy } from "../../../support/proxy.ts";
import { ReleaseFiles } from "../../../support/release-files.ts";
import { tempDirectory } from "../../../support/run.ts";

let home: string;
let mirror: string;
let release: ReleaseFiles;
beforeEach(() => {
  home = tempDirectory();
  mirror = join(home, "mirror");
  mkdirSync(mirror);
  release = new ReleaseFiles("https://github.com/example/images/releases/download");
  for (const [name, bytes] of release.files) writeFileSync(join(mirror, name), bytes);
  writeFileSync(join(mirror, "manifest.json"), JSON.stringify(release.manifest));
});

const run = (args: string[], env: NodeJS.ProcessEnv = {}) =>
  smolvm(args, { SMOLVM_CACHE: join(home, "cache"), SMOLVM_MACHINES: join(home, "machines"), ...env });
const here = () => ["--mirror", mirror, "--manifest", join(mirror, "manifest.json")];

describe("smolvm pull, images, prune", () => {
  it("fetch from a directory, list what is offered and here, and remove it", async () => {
    const pulled = await run(["pull", "codex", ...here()]);
    expect(pulled.exitCode, pulled.stderr).toBe(0);
    const [kernel, rootfs] = pulled.stdout.trim().split("\n");
    expect(readFileSync(kernel!)).toEqual(release.kernel);
    expect(readFileSync(rootfs!).equals(release.rootfs)).toBe(true);
    expect(pulled.stderr).toMatch(/downloaded\n$/);
    const again = await run(["pull", "codex", ...here()]);
    expect(again).toMatchObject({ stdout: pulled.stdout, exitCode: 0 });
    expect(again.stderr).toMatch(/already in the cache\n$/);

    const listed = await run(["images", "--manifest", join(mirror, "manifest.json")]);
    expect(listed.stdout).toMatch(
      /^image {2}flavor {2}arch {3}download {2}on disk {2}from\nbase {3}ubuntu {2}amd64 {2}1 kB +- +images-v1\ncodex {2}ubuntu {2}amd64 {2}\d+ (kB|MB) +\d+ (kB|MB) +images-v1\n$/,
    );
    const data = JSON.parse(
      (await run(["images", "--json", "--manifest", join(mirror, "manifest.json")])).stdout,
    );
    expect(data.images[1]).toMatchObject({ name: "codex", path: rootfs });

    // Nothing is removed that nobody asked for.
    expect((await run(["prune"])).stdout).toBe("");
    const dry = await run(["prune", "--flavor", "ubuntu", "--dry-run"]);
    expect(dry.stdout).toBe(`${rootfs}\n`);
    expect((await run(["prune", "--flavor", "ubuntu"])).stdout).toBe(dry.stdout);
    expect((await run(["prune", "--flavor", "ubuntu"])).stdout).toBe("");
    expect((await run(["prune", "--orphans", "--manifest", join(mirror, "manifest.json")])).stdout).toBe("");
    // The bundled manifest names no kernel of these bytes.
    expect((await run(["prune", "--orphans"])).stdout).toBe(`${kernel}\n`);
  });

  it("verify the cache: a line for each bad file, and what to do", async () => {
    const verify = () => run(["images", "--verify", "--manifest", join(mirror, "manifest.json")]);
    const [, rootfs] = (await run(["pull", "codex", ...here()])).stdout.trim().split("\n");
    const good = await verify();
    expect(good).toMatchObject({ exitCode: 0, stdout: "" });
    expect(good.stderr).toMatch(/^2 cached files have the right bytes$/m);
    writeFileSync(rootfs!, "x", { flag: "r+" });
    const bad = await verify();
    expect(bad.exitCode).toBe(1);
    expect(bad.stdout).toMatch(
      new RegExp(
        `^codex-amd64-ubuntu-rootfs.ext4.zst: its sha256 is \\w+, and was \\w+ when .* \\(${rootfs}\\)\n$`,
      ),
    );
    expect(bad.stderr).toMatch(/^1 of 2 cached files are bad, .*`smolvm prune` removes damaged/m);
    expect((await run(["prune"])).stdout).toBe(`${rootfs}\n`);
    expect((await verify()).exitCode).toBe(0);
  });

  it("remove what nobody has asked for in a while, and what a killed process has left", async () => {
    const [kernel, rootfs] = (await run(["pull", "codex", ...here()])).stdout.trim().split("\n");
    const old = new Date(Date.now() - 40 * 86_400_000);
    utimesSync(`${rootfs}.json`, old, old);
    const leftover = `${kernel}.4194305.partial`;
    writeFileSync(leftover, "half");
    const { stdout } = await run(["prune", "--older-than", "30"]);
    expect(stdout.trim().split("\n").sort()).toEqual([rootfs, leftover].sort());
    expect((await run(["pull", "codex", ...here()])).stderr).toMatch(/downloaded\n$/);
  });

  it.each([
    [["pull", "codx"], /^error: images-v1 has no preset "codx"; it has: codex$/m],
    [
      ["pull", "codex", "--flavor", "alpine"],
      /^error: codex is not offered on alpine at images-v1; it is offered on ubuntu$/m,
    ],
    [
      ["codex", "start", "--flavor", "alpine"],
      /^error: codex is not offered on alpine at images-v1; it is offered on ubuntu$/m,
    ],
    [["pull", "base", "--vmm", "firecracker"], /^error: images-v1 has no kernel for amd64 \(elf\)/m],
  ])("%j is refused in one line, with what there is", async (args, message) => {
    const refused = await run([...args, ...here()]);
    expect(refused.stderr).toMatch(message);
    expect(refused.exitCode).toBe(2);
    expect(refused.stdout).toBe("");
  });

  it("say which manifest is none", async () => {
    writeFileSync(join(mirror, "manifest.json"), "[]");
    expect((await run(["pull", "codex", ...here()])).stderr).toMatch(
      /^error: \S+manifest\.json is not a valid manifest \(expected object, received array\): give another with --manifest$/m,
    );
    rmSync(join(mirror, "manifest.json"));
    expect((await run(["pull", "codex", ...here()])).stderr).toMatch(
      /^error: cannot read the manifest \S+manifest\.json \(no such file or directory\): give another/m,
    );
  });
});

describe("two processes, and one that is killed", () => {
  /** A pull from a server on loopback, as a process of its own. */
  const slowly = (server: FileServer, options: CliOptions = {}) =>
    smolvm(
      ["pull", "codex", "--mirror", server.url, "--manifest", join(mirror, "manifest.json")],
      { SMOLVM_CACHE: join(home, "cache") },
      options,
    );
  const serve = async () => {
    const server = await FileServer.start();
    for (const [name, bytes] of release.files) server.files.set(`/${name}`, bytes);
    server.slowMs = 20;
    return server;
  };

  it("that want the same image at once do the work once", async () => {
    const server = await serve();
    // Long enough for both to have begun, also on a busy machine.
    server.slowMs = 200;
    const ended = await Promise.all([slowly(server), slowly(server)]);
    expect(ended.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(ended[0].stdout).toBe(ended[1].stdout);
    expect(server.requests.sort()).toEqual([
      "GET /codex-amd64-ubuntu-rootfs.ext4.zst",
      "GET /vmlinux-amd64.image",
    ]);
    expect(ended.map(({ stderr }) => stderr).join()).toContain(
      "another process is downloading the same file: waiting for it",
    );
  });

  it.each(["at its kernel", "at its root file system", "at its end"])(
    "leaves the next pull right when it dies %s",
    async (at) => {
      const server = await serve();
      let pid = 0;
      const killed = slowly(server, {
        onStart: (started) => {
          pid = started;
        },
      });
      const reached = {
        "at its kernel": () => server.requests.length > 0,
        "at its root file system": () => server.sent > 300_000,
        "at its end": () => server.sent >= release.files.get("codex-amd64-ubuntu-rootfs.ext4.zst")!.length,
      }[at]!;
      await expect.poll(reached, { interval: 5, timeout: 20_000 }).toBe(true);
      process.kill(pid, "SIGKILL");
      await killed;
      const next = await slowly(server);
      expect(next.exitCode, next.stderr).toBe(0);
      const [kernel, rootfs] = next.stdout.trim().split("\n");
      expect(readFileSync(kernel!)).toEqual(release.kernel);
      expect(readFileSync(rootfs!).equals(release.rootfs)).toBe(true);
    },
  );
});

describe("behind a proxy", () => {
  it("what is fetched goes through it", async () => {
    const server = await FileServer.start();
    for (const [name, bytes] of release.files) server.files.set(`/${name}`, bytes);
    const proxy = await startProxy();
    const pulled = await run(
      ["pull", "codex", "--mirror", server.url, "--manifest", join(mirror, "manifest.json")],
      {
        ...{ http_proxy: proxy.url, no_proxy: "", NO_PROXY: "" },
      },
    );
    expect(pulled.exitCode, pulled.stderr).toBe(0);
    expect(proxy.asked).toEqual(expect.arrayContaining([new URL(server.url).host]));
  });

  it("an unreachable one is named", async () => {
    const pulled = await run(
      ["pull", "codex", "--manifest", join(mirror, "manifest.json"), "--mirror", "http://127.0.0.1:60998"],
      {
        ...{ http_proxy: "http://127.0.0.1:60999", https_proxy: "http://127.0.0.1:60999" },
      },
    );
    expect(pulled.stderr).toContain("through the proxy that https_proxy names");
    expect(pulled.exitCode).toBe(2);
  });
});

describe("smolvm create", () => {
  it("resolves no name but the release's, whose address is at the tag", async () => {
    const text = JSON.stringify(release.manifest).replaceAll("images-v1", IMAGES_RELEASE_TAG);
    writeFileSync(join(mirror, "manifest.json"), text);
    const names = join(home, "names");
    const { stderr, exitCode } = await run(["create", "--manifest", join(mirror, "manifest.json")], {
      ...{
        NODE_OPTIONS: `--import ${join(REPOSITORY, "test/support/resolved-names.mjs")}`,
        RESOLVED_NAMES: names,
      },
      ...{ https_proxy: "", HTTPS_PROXY: "", http_proxy: "", HTTP_PROXY: "" },
    });
    expect(new Set(readFileSync(names, "utf8").trim().split("\n"))).toEqual(new Set(["github.com"]));
    expect(stderr).toContain(
      `error: cannot fetch https://github.com/example/images/releases/download/${IMAGES_RELEASE_TAG}/vmlinux-amd64.image: `,
    );
    expect(exitCode).toBe(2);
  });
});

describe("smolvm ps, ssh, stop", () => {
  it("know no machine where none runs, and clear away what a dead one has left", async () => {
    const directory = join(home, "machines/gone");
    mkdirSync(directory, { recursive: true });
    const record = {
      schema_version: 1,
      name: "gone",
      process: "4194305 1",
      vmm: "qemu",
      image: "codex",
      flavor: "ubuntu",
      host: "127.0.0.1",
      port: 1,
      rootfs: "/x",
      started_at: "2026-11-21T00:00:00.000Z",
    };
    writeFileSync(join(directory, "machine.json"), JSON.stringify(record));
    expect((await run(["ps", "--json"])).stdout).toBe("[]\n");
    expect(() => readFileSync(join(directory, "machine.json"))).toThrow("ENOENT");
    const refused = await run(["ssh", "gone"]);
    expect(refused.stderr).toBe("error: no machine is running: start one with `smolvm create --keep`\n");
    expect(refused.exitCode).toBe(2);
  });
});
