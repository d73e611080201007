import { createHash } from "node:crypto";
import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { releaseSigner, type Signer } from "../../../pipeline/attestation/signer.ts";
import { ImageError } from "../../../pipeline/client/image-error.ts";
import { loadManifest, offeredManifest } from "../../../pipeline/client/load-manifest.ts";
import { ensureImage, ensureKernel, ensureRootfs, isPublished } from "../../../pipeline/client/pull.ts";
import { releaseManifest } from "../../../pipeline/client/release-manifest.ts";
import { PipelineError } from "../../../pipeline/util/error.ts";
import { FileServer } from "../../support/file-server.ts";
import { REPOSITORY } from "../../support/project.ts";
import { ReleaseFiles } from "../../support/release-files.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { OwnSigstore, type Unusual } from "../../support/sigstore.ts";

const TAG = "images-v7";
const sha256 = (bytes: string | Buffer) => createHash("sha256").update(bytes).digest("hex");
const FAST = { attempts: 2, firstMs: 1, silenceMs: 400 };
const BUNDLE = "/manifest.json.sigstore.json";

let sigstore: OwnSigstore;
let trustedRoot: string;
let server: FileServer;
beforeAll(async () => {
  sigstore = await OwnSigstore.create();
});
beforeEach(() => {
  trustedRoot = join(tempDirectory(), "trusted_root.json");
  writeFileSync(trustedRoot, sigstore.trustedRoot());
});

/** The repository of this package's manifest: whose workflow must have made another one. */
const { repository: OURS } = JSON.parse(readFileSync(join(REPOSITORY, "out/manifest.json"), "utf8"));

/** A way in which a manifest comes from elsewhere. */
interface Source {
  readonly repository: string;
  readonly load: (options?: { verifyProvenance?: boolean; trustedRoot?: string }) => Promise<unknown>;
  /** What an error says to do. */
  readonly fix: string;
}

const SOURCES: Readonly<Record<string, Source>> = {
  "of the release that SMOLVM_IMAGES_RELEASE_TAG names": {
    repository: "example/images",
    load: (options = {}) =>
      releaseManifest(
        {
          ...{ repository: "example/images", tag: TAG, patience: FAST },
          addressOf: (name) => `${server.url}/${name}`,
          ...{ verifyProvenance: true, trustedRoot, ...options },
        },
        recordedRun(),
      ),
    fix: "set SMOLVM_IMAGES_RELEASE_TAG to the tag of a release with a valid manifest.json.sigstore.json, or omit --verify-provenance",
  },
  "at the address of --manifest": {
    repository: OURS,
    load: (options = {}) =>
      loadManifest(`${server.url}/manifest.json?a=b`, undefined, {
        ...{ verifyProvenance: true, trustedRoot, ...options },
      }),
    fix: "give another with --manifest, or omit --verify-provenance",
  },
};

describe.each(Object.entries(SOURCES))("a manifest %s", (_, { repository, load, fix }) => {
  const { manifest } = new ReleaseFiles("https://github.com/example/images/releases/download", TAG);
  const text = JSON.stringify(manifest);
  const subject = { name: "manifest.json", sha256: sha256(text) };

  beforeEach(async () => {
    server = await FileServer.start();
    // A query of an address belongs to both files.
    for (const query of ["", "?a=b"]) server.files.set(`/manifest.json${query}`, Buffer.from(text));
    server.files.set("/SHA256SUMS", Buffer.from(`${subject.sha256}  manifest.json\n`));
  });
  const serve = (bundle: string | Buffer) => {
    for (const query of ["", "?a=b"]) server.files.set(`${BUNDLE}${query}`, Buffer.from(bundle));
  };
  const attest = async (signer: Partial<Signer> = {}, unusual: Unusual = {}, subjects = [subject]) =>
    serve(await sigstore.attest(subjects, { ...releaseSigner(repository), ...signer }, unusual));
  const refusal = async (options = {}): Promise<PipelineError> => {
    const error = await load(options).catch((reason) => reason);
    expect(error).toBeInstanceOf(PipelineError);
    expect((error as PipelineError).message).not.toContain("\n");
    return error as PipelineError;
  };

  it("is read if the release's workflow has made it; only the release's files are requested", async () => {
    await attest({ commit: "a".repeat(40), run: 7 });
    expect(await load()).toEqual(manifest);
    expect(server.requests.filter((each) => each.includes(BUNDLE))).toHaveLength(1);
    expect(server.requests.every((each) => /manifest\.json|SHA256SUMS/.test(each))).toBe(true);
  });

  it("is read without an attestation if none is asked for, and none is requested", async () => {
    expect(await load({ verifyProvenance: false })).toEqual(manifest);
    expect(server.requests.join()).not.toContain(BUNDLE);
  });

  it("without an attestation is refused, with its address", async () => {
    const { message, code } = await refusal();
    expect(code).toBe("not-attested");
    expect(message).toMatch(/manifest\.json\.sigstore\.json.* \(?.*HTTP 404/);
    expect(message.slice(-fix.length)).toBe(fix);
  });

  it("whose attestation does not end is refused", async () => {
    serve(Buffer.alloc((2 << 20) + 1, " "));
    expect((await refusal()).message).toMatch(/(more|larger) than (the )?2097152 bytes/);
    expect(server.sent).toBeLessThan(4 << 20);
  });

  it.each<[what: string, make: () => Promise<void>, message: string]>([
    [
      "another repository",
      () => attest({ repository: "evil/images" }),
      `the repository is https://github.com/evil/images, expected https://github.com/${repository}`,
    ],
    [
      "another workflow",
      () => attest({ workflow: ".github/workflows/pull-request.yml" }),
      `the workflow is https://github.com/${repository}/.github/workflows/pull-request.yml@refs/heads/main, expected https://github.com/${repository}/.github/workflows/build-published-images.yml@refs/heads/main`,
    ],
    [
      "another branch",
      () => attest({ ref: "refs/heads/dev" }),
      "the ref is refs/heads/dev, expected refs/heads/main",
    ],
    ["another event", () => attest({ trigger: "push" }), "the event is push, expected workflow_dispatch"],
    [
      "other bytes",
      () => attest({}, {}, [{ ...subject, sha256: "b".repeat(64) }]),
      `it is of other bytes: sha256 ${"b".repeat(64)}, and the file has ${subject.sha256}`,
    ],
    ["another file", () => attest({}, {}, [{ ...subject, name: "SHA256SUMS" }]), "it is of SHA256SUMS"],
    [
      "more than the manifest",
      () => attest({}, {}, [subject, { name: "other", sha256: "b".repeat(64) }]),
      "it is of 2 files, expected manifest.json alone",
    ],
    [
      "what is in it",
      () => attest({}, { predicateType: "https://cyclonedx.org/bom" }),
      "it is https://cyclonedx.org/bom, expected https://slsa.dev/provenance/v1",
    ],
    ["nobody", async () => serve("{}"), "it is not a sigstore bundle (invalid bundle)"],
  ])("with an attestation of %s is refused", async (_, make, message) => {
    await make();
    const error = await refusal();
    expect(error.message).toBe(`the attestation of manifest.json is not valid: ${message}: ${fix}`);
    expect(error.code).toBe("not-attested");
  });

  it("that was changed after it was attested is refused", async () => {
    await attest();
    const changed = text.replace("codex-amd64", "codex-amd65");
    for (const query of ["", "?a=b"]) server.files.set(`/manifest.json${query}`, Buffer.from(changed));
    server.files.set("/SHA256SUMS", Buffer.from(`${sha256(changed)}  manifest.json\n`));
    expect((await refusal()).message).toContain(
      `it is of other bytes: sha256 ${subject.sha256}, and the file has ${sha256(changed)}`,
    );
  });

  it("is not parsed before its origin is certain", async () => {
    for (const query of ["", "?a=b"]) server.files.set(`/manifest.json${query}`, Buffer.from("{"));
    server.files.set("/SHA256SUMS", Buffer.from(`${sha256("{")}  manifest.json\n`));
    await attest();
    expect((await refusal()).code).toBe("not-attested");
  });

  it("signed by another sigstore than the given one is refused, as is a root that is none", async () => {
    await attest();
    expect((await refusal({ trustedRoot: undefined })).message).toContain(
      "no authority of sigstore's public instance has issued its certificate",
    );
    const path = join(tempDirectory(), "x.json");
    writeFileSync(path, "{}");
    expect((await refusal({ trustedRoot: path })).message).toBe(
      `${path} is not a trusted root of sigstore (it has no certificate authority): give the path of a trusted_root.json`,
    );
    expect(server.requests.join()).not.toMatch(/root|tuf/);
  });
});

describe("verifyProvenance", () => {
  it("of a manifest in a file reads the attestation beside it", async () => {
    const directory = tempDirectory();
    const path = join(directory, "mine.json");
    const manifest = readFileSync(join(REPOSITORY, "out/manifest.json"));
    writeFileSync(path, manifest);
    const options = { verifyProvenance: true, trustedRoot };
    await expect(loadManifest(path, undefined, options)).rejects.toMatchObject({
      code: "not-attested",
      problem: `cannot read the attestation of the manifest, ${path}.sigstore.json (no such file or directory)`,
    });
    const subjects = [{ name: "manifest.json", sha256: sha256(manifest) }];
    writeFileSync(`${path}.sigstore.json`, await sigstore.attest(subjects, releaseSigner(OURS)));
    expect((await loadManifest(path, undefined, options)).repository).toBe(OURS);
    expect(await isPublished({ preset: "codex" }, { manifest: path, ...options })).toBe(false);
    rmSync(`${path}.sigstore.json`);
    symlinkSync("/dev/zero", `${path}.sigstore.json`);
    await expect(loadManifest(path, undefined, options)).rejects.toThrow("it is larger than 2097152 bytes");
  });

  it("of the manifest that came with the package says that it is trusted, and verifies nothing", async () => {
    const run = recordedRun();
    await offeredManifest(run);
    expect(run.steps).toEqual([]);
    expect((await offeredManifest(run, undefined, { verifyProvenance: true })).repository).toBe(OURS);
    expect(run.steps).toEqual(["the manifest came with this package, and is trusted as the package is"]);
  });

  it("of what has no manifest is refused, before anything is requested", async () => {
    const { manifest } = new ReleaseFiles("https://github.com/example/images/releases/download", TAG);
    const cacheDir = join(tempDirectory(), "cache");
    const file = { url: "http://127.0.0.1:1/x", sha256: "0".repeat(64) };
    const options = { cacheDir, verifyProvenance: true };
    const message = (what: string) =>
      `verifyProvenance verifies the attestation of a manifest, and ${what} has none: omit verifyProvenance, or give the path or address of a manifest`;
    for (const ensured of [ensureKernel(file, options), ensureRootfs(file, options)]) {
      await expect(ensured).rejects.toThrow(message("a file that is given by its address and sha256"));
    }
    await expect(ensureImage({ preset: "codex" }, { manifest, ...options })).rejects.toThrow(
      message("a manifest that is given as an object"),
    );
  });

  it("applies to ensureImage and ensureKernel, also with a mirror", async () => {
    server = await FileServer.start();
    const release = new ReleaseFiles(`https://github.com/${OURS}/releases/download`, TAG);
    for (const [name, bytes] of release.files) server.files.set(`/${name}`, bytes);
    const text = JSON.stringify(release.manifest);
    server.files.set("/manifest.json", Buffer.from(text));
    const options = {
      ...{ manifest: `${server.url}/manifest.json`, mirrors: [server.url], cacheDir: tempDirectory() },
      ...{ verifyProvenance: true, trustedRoot },
    };
    const query = { preset: "codex", arch: "amd64", vmm: "qemu", flavor: "ubuntu" } as const;
    await expect(ensureImage(query, options)).rejects.toMatchObject({ code: "not-attested" });
    await expect(ensureKernel({ arch: "amd64", vmm: "qemu" }, options)).rejects.toMatchObject({
      code: "not-attested",
    });
    const subjects = [{ name: "manifest.json", sha256: sha256(text) }];
    server.files.set(BUNDLE, Buffer.from(await sigstore.attest(subjects, releaseSigner(OURS))));
    const { kernelPath } = await ensureImage(query, options);
    expect(readFileSync(kernelPath).equals(release.kernel)).toBe(true);
    expect(await ensureKernel({ arch: "amd64", vmm: "qemu" }, options)).toBe(kernelPath);
  });

  it("of a release is an ImageError, as its other failures", async () => {
    server = await FileServer.start();
    const load = SOURCES["of the release that SMOLVM_IMAGES_RELEASE_TAG names"]!.load;
    const text = JSON.stringify({});
    server.files.set("/manifest.json", Buffer.from(text));
    server.files.set("/SHA256SUMS", Buffer.from(`${sha256(text)}  manifest.json\n`));
    server.files.set(BUNDLE, Buffer.from("{}"));
    const error = await load().catch((reason) => reason);
    expect(error).toBeInstanceOf(ImageError);
    expect(error).toMatchObject({ failure: "download", code: "not-attested" });
  });
});
