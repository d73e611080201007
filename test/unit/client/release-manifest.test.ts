import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { ImageError } from "../../../pipeline/client/image-error.ts";
import { releaseManifest, tagOverride } from "../../../pipeline/client/release-manifest.ts";
import type { Manifest } from "../../../pipeline/schema/manifest.ts";
import { FileServer } from "../../support/file-server.ts";
import { startDownloads } from "../../support/github/download-server.ts";
import { REPOSITORY, smolvm } from "../../support/project.ts";
import { ReleaseFiles } from "../../support/release-files.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";

const TAG = "images-v7";
const sha256 = (bytes: string | Buffer) => createHash("sha256").update(bytes).digest("hex");
const FAST = { attempts: 2, firstMs: 1, silenceMs: 400 };

describe("the manifest of a release", () => {
  let server: FileServer;
  let manifest: Manifest;
  beforeEach(async () => {
    server = await FileServer.start();
    manifest = new ReleaseFiles("https://github.com/example/images/releases/download", TAG).manifest;
  });

  /** Puts a manifest on the release, listed with its sha256. */
  const serve = (value: object, sums = `${sha256(JSON.stringify(value))}  manifest.json\n`) => {
    server.files.set("/manifest.json", Buffer.from(JSON.stringify(value)));
    server.files.set("/SHA256SUMS", Buffer.from(sums));
  };
  const load = (run = recordedRun()) => {
    const addressOf = (name: string) => `${server.url}/${name}`;
    return releaseManifest({ repository: "example/images", tag: TAG, addressOf, patience: FAST }, run);
  };
  const refusal = async () => {
    const error = await load().catch((reason) => reason);
    expect(error).toBeInstanceOf(ImageError);
    expect(error.failure).toBe("download");
    expect(error.message).not.toContain("\n");
    expect(error.message).toMatch(
      /: set SMOLVM_IMAGES_RELEASE_TAG to the tag of a published release with a manifest\.json, or unset it$/,
    );
    return error;
  };

  it("is read, after the release's checksums, also where the connection breaks", async () => {
    const other = "0".repeat(64);
    serve(manifest, `${other}  x.zst\n${sha256(JSON.stringify(manifest))}  manifest.json\n`);
    server.troubles.push({ kind: "cut", after: 10 });
    const run = recordedRun();
    expect(await load(run)).toEqual(manifest);
    expect(run.steps).toEqual([`fetch the manifest of ${TAG}`]);
    expect(server.requests.at(-1)).toBe("GET /manifest.json");
  });

  it("of a tag that has none is one line, with the address and what to do", async () => {
    const { message, code } = await refusal();
    expect(message).toMatch(
      new RegExp(
        `^the release ${TAG} of example/images has no usable SHA256SUMS \\(${server.url}/SHA256SUMS: HTTP 404 Not Found\\): set`,
      ),
    );
    expect(code).toBe("not-fetched");
    server.files.set("/SHA256SUMS", Buffer.from(`${"0".repeat(64)}  x.zst\nnonsense  manifest.json\n`));
    expect((await refusal()).message).toMatch(/ has no manifest\.json in its SHA256SUMS: /);
    server.files.set("/SHA256SUMS", Buffer.from(`${"0".repeat(64)}  manifest.json\n`));
    expect((await refusal()).message).toMatch(/ has no usable manifest\.json \(\S+: HTTP 404 Not Found\): /);
  });

  it("is refused where it has other bytes than the checksums say", async () => {
    serve(manifest, `${"0".repeat(64)}  manifest.json\n`);
    const { message, code } = await refusal();
    expect(message).toMatch(/manifest\.json \(\S+: its sha256 is [0-9a-f]{64}, expected 0{64}\): /);
    expect(code).toBe("digest-mismatch");
  });

  it("is refused where it is no manifest, or another one", async () => {
    serve({ ...manifest, images: 5 });
    expect((await refusal()).message).toMatch(
      /^manifest\.json of the release images-v7 of example\/images is not a valid manifest \(images: /,
    );
    serve({ ...manifest, tag: "images-v8" });
    expect((await refusal()).message).toContain("is that of images-v8 of example/images: ");
    serve({ ...manifest, repository: "other/images" });
    expect((await refusal()).message).toContain(`is that of ${TAG} of other/images: `);
  });

  it.each(["download/images-v7", "github.com/example/images"])(
    "is refused where it names a file of another release or place: %s",
    async (part) => {
      serve(JSON.parse(JSON.stringify(manifest).replace(part, `${part.slice(0, -1)}x`)));
      expect((await refusal()).message).toContain(" names a file of another place: https://");
    },
  );

  it("is not waited for when the command is interrupted", async () => {
    server.troubles.push({ kind: "silence" });
    const run = recordedRun();
    const loading = load(run).catch((error) => error);
    await expect.poll(() => server.requests.length).toBe(1);
    run.interrupt(new Error("stop"));
    expect((await loading).message).toBe("stop");
  });
});

describe("SMOLVM_IMAGES_RELEASE_TAG", () => {
  const { repository } = JSON.parse(readFileSync(join(REPOSITORY, "out/manifest.json"), "utf8"));
  const set = (value: string) => {
    vi.stubEnv("SMOLVM_IMAGES_RELEASE_TAG", value);
    onTestFinished(() => void vi.unstubAllEnvs());
  };

  it("is a tag, or nothing", () => {
    set("");
    expect(tagOverride()).toBeUndefined();
    set("images-2026.06.30.0");
    expect(tagOverride()).toBe("images-2026.06.30.0");
    for (const value of ["../x", "a/b", "a b", "-x", "a?b", "a#b"]) {
      set(value);
      expect(tagOverride).toThrow(
        `SMOLVM_IMAGES_RELEASE_TAG "${value}" is not a valid tag: use letters, digits, ".", "_" and "-"`,
      );
    }
  });

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
