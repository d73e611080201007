import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { ImageBuilder, ImageError, SSH_BOOT_ARGS } from "../../../pipeline/builder/index.ts";
import { generateKey } from "../../../pipeline/vm/ssh.ts";
import { tempDirectory } from "../../support/run.ts";

const builder = () => new ImageBuilder({ cacheDir: tempDirectory() });
const failureOf = async (work: Promise<unknown>): Promise<ImageError> => {
  const error = await work.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ImageError);
  return error as ImageError;
};
const BODY = "AAAAC3NzaC1lZDI1NTE5AAAAIPlO";

describe("ImageBuilder, without Docker", () => {
  it("has the boot arguments of the documentation", () => {
    expect(SSH_BOOT_ARGS).toBe("console=ttyS0 reboot=k panic=1 pci=off root=/dev/vda rw init=/init");
  });

  it.each([
    ["nothing", ""],
    ["a word", "my-key"],
    ["a private key", generateKey().privateKey],
    ["another kind", `ssh-dss ${BODY} me`],
    ["no base64", "ssh-ed25519 !!! me"],
    ["a path that is not there", "/nowhere/id_ed25519.pub"],
    ["a second line that runs something", `ssh-ed25519 ${BODY}\nRUN id`],
  ])("refuses a key that is %s", async (_, sshPublicKey) => {
    const error = await failureOf(builder().buildAlpineSshKey({ sshPublicKey, kernelUrl: "/k" }));
    expect(error.failure).toBe("key");
    expect(error.name).toBe("ImageError");
    expect(error.cause).toBeInstanceOf(Error);
  });

  it.each([
    ["ssh-ed25519", `ssh-ed25519 ${BODY}`],
    ["ssh-rsa with a comment", `ssh-rsa ${BODY} me@here`],
    ["ecdsa", `ecdsa-sha2-nistp256 ${BODY} me`],
    ["a security key", `sk-ssh-ed25519@openssh.com ${BODY} me`],
  ])("takes %s, as text and as a file, and then misses Docker", async (_, key) => {
    vi.stubEnv("DOCKER_HOST", "unix:///nowhere/docker.sock");
    const path = join(tempDirectory(), "key.pub");
    writeFileSync(path, `${key}\n`);
    for (const sshPublicKey of [key, path]) {
      const error = await failureOf(builder().buildDebianSshKey({ sshPublicKey, kernelUrl: "/k" }));
      expect(error.failure).toBe("docker");
      expect(error.message).toMatch(/^Docker is /);
    }
    expect(await builder().checkDocker()).toBe(false);
    vi.unstubAllEnvs();
  });

  it.each([
    ["a user's files", "thesis.txt", "all of it"],
    ["somebody else's record", "image.json", "{}"],
  ])("refuses a name under which there is a directory with %s", async (_, name, text) => {
    const own = builder();
    mkdirSync(join(own.cacheDir, "work"));
    writeFileSync(join(own.cacheDir, "work", name), text);
    const error = await failureOf(own.buildAlpineSsh({ name: "work", kernelUrl: "/k" }));
    expect([error.failure, error.message]).toEqual([
      "filesystem",
      `${join(own.cacheDir, "work")} was not made by ImageBuilder: choose another name, or remove that path yourself`,
    ]);
    expect(readdirSync(own.cacheDir, { recursive: true })).toEqual(["work", join("work", name)]);
  });

  it("refuses a name that is no directory's", async () => {
    const error = await failureOf(builder().buildAlpineSsh({ name: "../x", kernelUrl: "/k" }));
    expect(error.message).toContain('image name "../x"');
  });
});
