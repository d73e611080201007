import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startDownloads } from "../../support/github/download-server.ts";
import { REPOSITORY, smolvm } from "../../support/project.ts";
import { ReleaseFiles } from "../../support/release-files.ts";
import { tempDirectory } from "../../support/run.ts";

const TAG = "images-v7";
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe("SMOLVM_IMAGES_RELEASE_TAG", () => {
  const { repository } = JSON.parse(readFileSync(join(REPOSITORY, "out/manifest.json"), "utf8"));

  it("has its images pulled over HTTPS, by the manifest of that release", async () => {
    const server = await startDownloads();
    const base = `/${repository}/releases/download`;
    const release = new ReleaseFiles(`https://github.com${base}`, TAG);
    for (const [name, bytes] of release.files) server.files.set(`${base}/${TAG}/${name}`, bytes);
    const text = JSON.stringify({ ...release.manifest, repository });
    server.files.set(`${base}/${TAG}/manifest.json`, Buffer.from(text));
    server.files.set(`${base}/${TAG}/SHA256SUMS`, Buffer.from(`${sha256(text)}  manifest.json\n`));
    const env = { ...server.env, SMOLVM_CACHE: tempDirectory(), SMOLVM_MACHINES: tempDirectory() };
    const pull = (tag: string) =>
      smolvm(["pull", "codex", "--arch", "amd64"], { ...env, SMOLVM_IMAGES_RELEASE_TAG: tag });

    const pulled = await pull(TAG);
    expect(pulled.exitCode, pulled.stderr).toBe(0);
    const [kernel, rootfs] = pulled.stdout.trim().split("\n");
    expect(readFileSync(kernel!)).toEqual(release.kernel);
    expect(readFileSync(rootfs!).equals(release.rootfs)).toBe(true);
    expect(pulled.stderr).toContain(`- fetch the manifest of ${TAG}\n`);
    expect(server.requests.map((path) => path.split("/").at(-1))).toEqual([
      ...["SHA256SUMS", "manifest.json", "vmlinux-amd64.image", "codex-amd64-ubuntu-rootfs.ext4.zst"],
    ]);

    const missing = await pull("images-v8");
    expect(missing.exitCode).toBe(2);
    expect(missing.stderr.split("\n").filter((line) => line.startsWith("error"))).toEqual([
      `error: the release images-v8 of ${repository} has no usable SHA256SUMS (https://github.com${base}/images-v8/SHA256SUMS: ` +
        "HTTP 404 Not Found): set SMOLVM_IMAGES_RELEASE_TAG to the tag of a published release with a manifest.json, or unset it",
    ]);
  });
});
