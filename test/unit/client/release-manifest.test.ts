import { createHash } from "node:crypto";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { ImageError } from "../../../pipeline/client/image-error.ts";
import { releaseManifest, tagOverride } from "../../../pipeline/client/release-manifest.ts";
import type { Manifest } from "../../../pipeline/schema/manifest.ts";
import { FileServer } from "../../support/file-server.ts";
import { ReleaseFiles } from "../../support/release-files.ts";
import { recordedRun } from "../../support/run.ts";

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
});
