import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BuiltImage, ImageBuilder, ImageError } from "../../pipeline/builder/index.ts";
import type { App } from "../../pipeline/constructs/app.ts";
import { Release } from "../../pipeline/constructs/release.ts";
import { attempt, generateKey, runCommand } from "../../pipeline/vm/ssh.ts";
import { ALPINE_TARBALL, hasAlpine, serveAlpine } from "../support/alpine.ts";
import { testKernel } from "../support/kernel.ts";
import { startMachine } from "../support/machine.ts";
import { cli, Project } from "../support/project.ts";
import { recordedRun } from "../support/run.ts";
import { ubuntuBase } from "../support/tree.ts";

/** A tree whose kernel is the published one; nothing else of it is built. */
function declareKernel(app: App): void {
  const release = new Release(app, "kernel", {
    tag: "kernel-v1",
    repository: "example/images",
    archs: ["amd64"],
    vmms: ["qemu"],
    defaultFlavor: "ubuntu",
    newestFile: "2026-10-05T00:00:00Z",
  });
  ubuntuBase(release);
  testKernel(release, ["ubuntu"]);
}

describe("images of one's own", () => {
  const home = mkdtempSync(join(tmpdir(), "smolvm-builder-"));
  const key = generateKey();
  const keyPath = join(home, "id.pub");
  let project: Project;
  let kernelUrl: string;
  let mirror: { server: Server; url: string } | undefined;
  beforeAll(async () => {
    mirror = hasAlpine ? await serveAlpine() : undefined;
    writeFileSync(keyPath, `${key.publicKey}\n`);
    project = new Project(declareKernel);
    // Compiled, if this machine never has.
    const built = await cli(project.root, ["cell", "kernel-amd64", "--stage", "build"]);
    expect(built.exitCode, built.stderr).toBe(0);
    kernelUrl = project.kernel("amd64").kernel;
  });
  afterAll(() => {
    mirror?.server.close();
    project.remove();
    rmSync(home, { recursive: true, force: true });
  });

  /** What a machine says to whoever logs in so: its system, or no. */
  async function answerTo(way: object, patience: AbortSignal): Promise<string> {
    for (;;) {
      patience.throwIfAborted();
      try {
        const client = await attempt(way, patience);
        const { output } = await runCommand(client, ["cat", "/etc/os-release"], patience);
        client.end();
        return output;
      } catch (error) {
        // sshd may not listen yet.
        if ((error as { level?: string }).level === "client-authentication") return (error as Error).message;
      }
    }
  }

  /** Boots an image as it is, and is let in, or not. */
  async function loginTo({ kernelPath, rootfsPath }: BuiltImage, ...ways: object[]) {
    const consoleLog = join(home, "console.log");
    const machine = await startMachine({
      arch: "amd64",
      kernel: kernelPath,
      disk: rootfsPath,
      cmdline: [],
      consoleLog,
    });
    const patience = AbortSignal.timeout(120_000);
    try {
      await machine.console.waitFor(/SMOLVM_TS stage=init-complete/, patience);
      const answers = [];
      for (const way of ways) answers.push(await answerTo({ ...machine.address, ...way }, patience));
      return answers;
    } finally {
      await machine.destroy();
    }
  }
  const byKey = { privateKey: key.privateKey };
  const refused = expect.stringContaining("All configured authentication methods failed");

  it("Debian lets the key in, and no password", async () => {
    const builder = new ImageBuilder({ cacheDir: join(home, "images") });
    expect(await builder.checkDocker()).toBe(true);
    const image = await builder.buildDebianSshKey({ sshPublicKey: keyPath, kernelUrl });
    expect(image).toEqual({
      kernelPath: join(home, "images/debian-ssh-key/vmlinux"),
      rootfsPath: join(home, "images/debian-ssh-key/rootfs.ext4"),
    });
    expect(statSync(image.rootfsPath).size).toBe(2048 * 2 ** 20);
    expect(readFileSync(image.kernelPath).equals(readFileSync(kernelUrl))).toBe(true);
    const answers = await loginTo(image, byKey, { password: "smolvm" }, { password: "" });
    expect(answers).toEqual([expect.stringContaining("bookworm"), refused, refused]);

    // There already: nothing is made again, until the key is newer or anything asked for has changed.
    const made = () => statSync(image.rootfsPath).mtimeMs;
    const first = made();
    await builder.buildDebianSshKey({ sshPublicKey: keyPath, kernelUrl });
    expect(made()).toBe(first);
    const later = new Date(Date.now() + 60_000);
    utimesSync(keyPath, later, later);
    await builder.buildDebianSshKey({ sshPublicKey: keyPath, kernelUrl });
    expect(made()).toBeGreaterThan(first);
  });

  it("what the audit refuses in a published image it refuses here as well, but for files without an owner", async () => {
    const run = recordedRun();
    const builder = new ImageBuilder({ cacheDir: join(home, "images"), run });
    const baseImage = "smolvm-test/setuid:latest";
    const [there] = execFileSync("docker", ["images", "-q", "smolvm/built-debian-ssh-key"], {
      encoding: "utf8",
    }).split("\n");
    const input = `FROM ${there}\nRUN chmod u+s /usr/bin/id && echo mine >/srv/mine\n`;
    execFileSync("docker", ["build", "-q", "-t", baseImage, "-"], { input });
    try {
      const refused = builder.buildDebianSshKey({
        name: "planted",
        sshPublicKey: key.publicKey,
        kernelUrl,
        baseImage,
      });
      const error = await refused.catch((reason) => reason);
      expect(error).toBeInstanceOf(ImageError);
      expect(error).toMatchObject({
        failure: "build",
        code: "audit-refused",
        message: "the audit refuses planted: 1 findings in its root file system",
        details: [expect.stringMatching(/^- usr\/bin\/id is setuid .* \[setuid-program\]$/)],
      });
      expect(run.warnings).toContain("planted: 1 files with 5 bytes belong to no package: srv/mine");
      expect(() => statSync(join(home, "images/planted"))).toThrow("ENOENT");
    } finally {
      execFileSync("docker", ["rmi", "-f", baseImage, "smolvm/built-planted:latest"]);
    }
  });

  it("a kernel that cannot be had is named, and leaves nothing under the image's name", async () => {
    const builder = new ImageBuilder({ cacheDir: join(home, "images") });
    const wrong = builder.buildDebianSshKey({
      name: "other",
      sshPublicKey: key.publicKey,
      kernelUrl: "/nowhere/vmlinux",
    });
    const error = await wrong.catch((reason) => reason);
    expect(error).toBeInstanceOf(ImageError);
    expect(error).toMatchObject({
      failure: "kernel",
      message: expect.stringContaining("/nowhere/vmlinux: there is no such file"),
    });
    expect(() => statSync(join(home, "images/other"))).toThrow("ENOENT");
  });

  describe.runIf(hasAlpine)("Alpine", () => {
    const builder = () =>
      new ImageBuilder({
        cacheDir: join(home, "images"),
        network: { apkMirror: mirror!.url },
        alpine: [{ from: "tarball", ...ALPINE_TARBALL }],
      });

    it("lets a password in where it was asked for", async () => {
      const image = await builder().buildAlpineSsh({ sshPassword: "it's $ecret", kernelUrl });
      const answers = await loginTo(image, { password: "it's $ecret" }, { password: "smolvm" }, byKey);
      expect(answers).toEqual([expect.stringContaining("Alpine"), refused, refused]);
    });

    it("lets the key in, and no password", async () => {
      const image = await builder().buildAlpineSshKey({
        sshPublicKey: key.publicKey,
        rootfsSizeMb: 256,
        kernelUrl,
      });
      expect(statSync(image.rootfsPath).size).toBe(256 * 2 ** 20);
      const answers = await loginTo(image, byKey, { password: "smolvm" });
      expect(answers).toEqual([expect.stringContaining("Alpine"), refused]);
    });
  });
});
