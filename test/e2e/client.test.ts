import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { App } from "../../pipeline/constructs/app.ts";
import { npm } from "../../pipeline/constructs/install.ts";
import { PresetLayer } from "../../pipeline/constructs/preset-layer.ts";
import { Release } from "../../pipeline/constructs/release.ts";
import { sha256File } from "../../pipeline/util/hash.ts";
import { alpineBase, hasAlpine, serveAlpine } from "../support/alpine.ts";
import { testKernel } from "../support/kernel.ts";
import { cli, Project, smolvm } from "../support/project.ts";
import { FakeQemu } from "../support/qemu/fake.ts";
import { tempDirectory } from "../support/run.ts";
import { TINY, tinyLockfile } from "../support/tiny.ts";

const TAG = "client-v0.0.1";

function declareTiny(app: App): void {
  const release = new Release(app, "client", {
    tag: TAG,
    repository: "example/images",
    archs: ["amd64"],
    vmms: ["qemu", "firecracker"],
    defaultFlavor: "alpine",
    newestFile: "2026-10-05T00:00:00Z",
  });
  testKernel(release, ["alpine"]);
  alpineBase(release);
  const { check, binary } = TINY;
  new PresetLayer(release, "tiny", { install: npm(TINY.package, { binary }), check });
}

describe.runIf(hasAlpine)("smolvm, with images that `cell` and `release publish` have made", () => {
  const home = mkdtempSync(join(tmpdir(), "smolvm-home-"));
  let project: Project;
  let mirror: { server: Server; url: string };
  let store: string;
  beforeAll(async () => {
    project = new Project(declareTiny, tinyLockfile("tiny"));
    store = join(project.root, "out/release", TAG);
    mirror = await serveAlpine();
    const cells = ["kernel-amd64", "tiny-amd64-alpine", "base-amd64-alpine"];
    const built = await cli(project.root, ["cell", ...cells, "--level", "3", "--apk-mirror", mirror.url]);
    expect(built.exitCode, built.stderr).toBe(0);
    const published = await cli(project.root, ["release", "publish"]);
    expect(published.exitCode, published.stderr + published.stdout).toBe(0);
  });
  afterAll(() => {
    mirror.server.close();
    project.remove();
    rmSync(home, { recursive: true, force: true });
  });

  const env = { SMOLVM_CACHE: join(home, "cache"), SMOLVM_MACHINES: join(home, "machines") };
  const from = () => ["--flavor", "alpine", "--mirror", store, "--manifest", join(store, "manifest.json")];
  const run = (...args: string[]) => smolvm(args, env);
  const machines = async () => JSON.parse((await run("ps", "--json")).stdout);

  it("create boots the bare base from a cold cache, runs a command, and throws the machine away", async () => {
    const created = await run(
      "create",
      ...from(),
      "--timings",
      "--",
      "sh",
      "-c",
      "cat /etc/alpine-release; echo bye >&2; exit 7",
    );
    expect(created.stdout, created.stderr).toBe("3.19.4\n");
    expect(created.exitCode).toBe(7);
    expect(created.stderr).toContain("bye\n");
    const parts = [...created.stderr.matchAll(/^([a-z+]+) +(\d+\.\d\d) s$/gm)].map(([, name]) => name);
    expect(parts).toEqual(["lookup", "download", "verify+decompress", "boot", "ready", "other", "total"]);
    expect(await machines()).toEqual([]);
    expect(readdirSync(env.SMOLVM_MACHINES)).toEqual([]);
  });

  it("an agent starts, and nothing that it writes reaches the image", async () => {
    const images = async () => {
      const { stdout } = await run("images", "--json", "--manifest", join(store, "manifest.json"));
      const { path } = JSON.parse(stdout).images.find(({ name }: { name: string }) => name === "tiny");
      return path && (await sha256File(path));
    };
    const started = await run(
      "tiny",
      "start",
      ...from(),
      "--",
      "sh",
      "-c",
      "esbuild --version && echo x > /etc/planted",
    );
    expect(started.stdout, started.stderr).toMatch(/^\d+\.\d+\.\d+\n$/);
    const before = await images();
    const again = await run("tiny", "start", ...from(), "--", "ls", "/etc/planted");
    expect(again.exitCode).not.toBe(0);
    expect(await images()).toBe(before);
  });

  it("a machine that stays is listed, reached, larger when asked, and powered off", async () => {
    const key = join(home, "mine");
    spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
    const options = [
      "--name",
      "mine",
      "--keep",
      "--disk",
      "2G",
      "--memory",
      "512M",
      "--cpus",
      "1",
      "--key",
      `${key}.pub`,
    ];
    const kept = await run("create", ...from(), ...options);
    expect(kept.stdout, kept.stderr).toBe("mine\n");
    const [machine] = await machines();
    expect(machine).toMatchObject({ name: "mine", image: "base", flavor: "alpine", vmm: "qemu" });
    const seen = await run("ssh", "mine", "--", "sh", "-c", "df -m / | tail -1; nproc; free -m | grep Mem");
    const [, blocks, cpus, memory] = /(\d+) +\d+ +\d+ +\d+% \/\n(\d+)\nMem: +(\d+)/.exec(seen.stdout)!;
    expect(Number(blocks)).toBeGreaterThan(1800);
    expect(cpus).toBe("1");
    expect(Number(memory)).toBeLessThan(512);
    // The user's own key opens it as well.
    const ssh = [
      "-o",
      "StrictHostKeyChecking=no",
      "-o",
      "UserKnownHostsFile=/dev/null",
      "-i",
      key,
      "-p",
      String(machine.port),
    ];
    expect(spawnSync("ssh", [...ssh, "root@127.0.0.1", "id -u"], { encoding: "utf8" }).stdout).toBe("0\n");
    const taken = await run("create", ...from(), "--name", "mine", "--", "true");
    expect(taken.stderr).toContain(
      "error: a machine named mine is running: stop it with `smolvm stop mine`, or choose another --name\n",
    );
    const stopped = await run("stop", "mine");
    expect(stopped.exitCode, stopped.stderr).toBe(0);
    expect(stopped.stderr).not.toContain("does not power off");
    expect(await machines()).toEqual([]);
    expect(existsSync(join(env.SMOLVM_MACHINES, "mine"))).toBe(false);
  });

  it("an interrupted start leaves no machine behind", async () => {
    let told = false;
    const interrupted = await smolvm(["create", ...from(), "--", "true"], env, {
      onStderr: (text, pid) => {
        if (told || !text.includes("- boot")) return;
        told = true;
        process.kill(pid, "SIGINT");
      },
    });
    expect(interrupted.stderr).toContain("error: interrupted by SIGINT");
    expect(interrupted.exitCode).toBe(2);
    expect(readdirSync(env.SMOLVM_MACHINES)).toEqual([]);
    const commands = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      // One may end while it is looked at.
      .map((pid) => (existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, "utf8") : ""));
    expect(commands.filter((command) => command.includes(env.SMOLVM_MACHINES))).toEqual([]);
  });

  it("a machine whose command was killed is still found, and powered off", async () => {
    let killed = false;
    await smolvm(["create", ...from(), "--name", "orphan", "--", "sleep", "1000"], env, {
      onStderr: (text, pid) => {
        if (killed || !text.includes("- boot")) return;
        killed = true;
        // Once it is registered: QEMU runs, and nobody is let in yet.
        const record = join(env.SMOLVM_MACHINES, "orphan/machine.json");
        const look = setInterval(() => {
          if (!existsSync(record)) return;
          clearInterval(look);
          process.kill(pid, "SIGKILL");
        }, 20);
      },
    });
    expect(await machines()).toMatchObject([{ name: "orphan" }]);
    expect((await run("stop", "orphan")).exitCode).toBe(0);
    expect(await machines()).toEqual([]);
  });

  describe("on every kind of host", () => {
    const real = spawnSync("sh", ["-c", "command -v qemu-system-x86_64"], { encoding: "utf8" }).stdout.trim();

    it.each([
      ["KVM makes a virtual CPU and runs no guest", "internal-error", /KVM does not run the guest/, "tcg"],
      ["there is no KVM", "no-device", /KVM does not run the guest .*No such file or directory/, "tcg"],
      ["KVM works", real as `/${string}`, undefined, "kvm"],
    ] as const)("where %s, a machine starts, and a cell is verified", async (_, kvm, warning, accel) => {
      const qemu = new FakeQemu(tempDirectory(), { kvm, tcg: real as `/${string}` });
      const started = await smolvm(["create", ...from(), "--", "id", "-u"], { ...env, ...qemu.env });
      expect(started.stdout, started.stderr).toBe("0\n");
      expect(qemu.started.at(-1)).toBe(accel);
      if (warning) expect(started.stderr).toMatch(warning);
      else expect(started.stderr).not.toContain("warning");

      const flags = ["--level", "1", "--apk-mirror", mirror.url, "--store", `dir:${tempDirectory()}`];
      const verified = await cli(project.root, ["cell", "base-amd64-alpine", ...flags], { env: qemu.env });
      expect(verified.exitCode, verified.stderr).toBe(0);
      expect(verified.stderr).toContain(`(${accel})`);
    });
  });

  it("says why a machine cannot be as it is asked", async () => {
    expect((await run("create", ...from(), "--disk", "100M", "--", "true")).stderr).toContain(
      "error: --disk 100M is smaller than the image (1024M): give at least 1024M, or omit --disk\n",
    );
    expect((await run("create", ...from(), "--vmm", "firecracker", "--", "true")).stderr).toMatch(
      /^error: Firecracker needs (KVM, but .*: use --vmm qemu|a tap device: give one with --tap)$/m,
    );
    expect((await run("create", ...from(), "--key", join(store, "manifest.json"))).stderr).toContain(
      "is not an SSH public key",
    );
    expect(readFileSync(join(store, "SHA256SUMS"), "utf8")).toContain("manifest.json");
  });
});
