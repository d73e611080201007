import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { releaseSigner } from "../../../pipeline/attestation/signer.ts";
import { startDownloads } from "../../support/github/download-server.ts";
import { REPOSITORY, smolvm } from "../../support/project.ts";
import { ReleaseFiles } from "../../support/release-files.ts";
import { tempDirectory } from "../../support/run.ts";
import { OwnSigstore } from "../../support/sigstore.ts";

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
    const pull = (tag: string, ...flags: string[]) =>
      smolvm(["pull", "codex", "--arch", "amd64", ...flags], { ...env, SMOLVM_IMAGES_RELEASE_TAG: tag });

    const pulled = await pull(TAG);
    expect(pulled.exitCode, pulled.stderr).toBe(0);
    const [kernel, rootfs] = pulled.stdout.trim().split("\n");
    expect(readFileSync(kernel!)).toEqual(release.kernel);
    expect(readFileSync(rootfs!).equals(release.rootfs)).toBe(true);
    expect(pulled.stderr).toContain(`- fetch the manifest of ${TAG}\n`);
    expect(server.requests.map((path) => path.split("/").at(-1))).toEqual([
      ...["SHA256SUMS", "manifest.json", "vmlinux-amd64.image", "codex-amd64-ubuntu-rootfs.ext4.zst"],
    ]);

    // Its origin is verified before any of its images is looked up.
    const trustedRoot = join(tempDirectory(), "trusted_root.json");
    const sigstore = await OwnSigstore.create();
    writeFileSync(trustedRoot, sigstore.trustedRoot());
    const verified = () => pull(TAG, "--trusted-root", trustedRoot);
    const unattested = await verified();
    expect(unattested.exitCode).toBe(2);
    expect(unattested.stderr.split("\n").filter((line) => line.startsWith("error"))).toEqual([
      `error: the release ${TAG} of ${repository} has no usable manifest.json.sigstore.json ` +
        `(https://github.com${base}/${TAG}/manifest.json.sigstore.json: HTTP 404 Not Found): set ` +
        "SMOLVM_IMAGES_RELEASE_TAG to the tag of a release with a valid manifest.json.sigstore.json, or omit --verify-provenance",
    ]);
    const subjects = [{ name: "manifest.json", sha256: sha256(text) }];
    const bundle = await sigstore.attest(subjects, releaseSigner(repository));
    server.files.set(`${base}/${TAG}/manifest.json.sigstore.json`, Buffer.from(bundle));
    const attested = await verified();
    expect(attested.exitCode, attested.stderr).toBe(0);
    expect(attested.stdout).toBe(pulled.stdout);

    const missing = await pull("images-v8");
    expect(missing.exitCode).toBe(2);
    expect(missing.stderr.split("\n").filter((line) => line.startsWith("error"))).toEqual([
      `error: the release images-v8 of ${repository} has no usable SHA256SUMS (https://github.com${base}/images-v8/SHA256SUMS: ` +
        "HTTP 404 Not Found): set SMOLVM_IMAGES_RELEASE_TAG to the tag of a published release with a manifest.json, or unset it",
    ]);
  });
});
