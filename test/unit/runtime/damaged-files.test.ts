import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { loadManifest } from "../../../pipeline/client/load-manifest.ts";
import { readListing } from "../../../pipeline/image/rootfs/listing.ts";
import { readCells } from "../../../pipeline/runtime/read-cells.ts";
import { RecordedDigests } from "../../../pipeline/schema/recorded-digests.ts";
import { StagingDirectory } from "../../../pipeline/stores/directory/staging.ts";
import { PipelineError } from "../../../pipeline/util/error.ts";
import { readCommitted, readRecord } from "../../../pipeline/util/record.ts";
import { FileServer } from "../../support/file-server.ts";
import { REPOSITORY } from "../../support/project.ts";
import { ReleaseFiles } from "../../support/release-files.ts";
import { tempDirectory } from "../../support/run.ts";

/** What is said in one line, by an error that a reader can act on. */
async function said(work: () => unknown): Promise<string> {
  const error = await Promise.resolve()
    .then(work)
    .then(
      () => undefined,
      (reason) => reason,
    );
  expect(error).toBeInstanceOf(PipelineError);
  expect(error.message).not.toMatch(/[\n\0]/);
  return error.message;
}

const ADDRESS = "https://github.com/example/images/releases/download";
/** A manifest that is right, but for what `change` does to it. */
function manifest(change: (of: Record<string, Record<string, unknown>[]>) => void = () => {}): string {
  const copy = JSON.parse(JSON.stringify(new ReleaseFiles(ADDRESS).manifest));
  change(copy);
  return JSON.stringify(copy);
}
const written = (text: string | Buffer): string => {
  const path = join(tempDirectory(), "manifest.json");
  writeFileSync(path, text);
  return path;
};

describe("a manifest", () => {
  it("is read from a path, a file: address and a web address", async () => {
    const path = written(manifest());
    const server = await FileServer.start();
    server.files.set("/manifest.json", readFileSync(path));
    for (const source of [path, pathToFileURL(path).href, `${server.url}/manifest.json`]) {
      expect((await loadManifest(source)).tag).toBe("images-v1");
    }
  });

  const kernel = (field: string, value: unknown) => manifest(({ kernels }) => (kernels![0]![field] = value));
  const asset = (field: string, value: unknown) =>
    manifest(({ assets }) => {
      (assets as unknown as Record<string, Record<string, unknown>>)["vmlinux-amd64.image"]![field] = value;
    });
  const ASSET = 'assets["vmlinux-amd64.image"]';
  const FILE = "kernels[0].url: expected the https address of a file (https://HOST/PATH/NAME)";
  it.each<[string, string | Buffer, string]>([
    ["an address that is not https", kernel("url", "http://example.com/vmlinux"), FILE],
    ["an address without a host", kernel("url", "https://"), FILE],
    ["an address without a path", kernel("url", "https://example.com"), FILE],
    ["an address that ends in a slash", kernel("url", "https://example.com/vmlinux/"), FILE],
    ["an address with a query", kernel("url", "https://example.com/vmlinux?at=/x"), FILE],
    ["an address with a fragment", kernel("url", "https://example.com/vmlinux#x"), FILE],
    ["an address with a space", kernel("url", "https://exa mple.com/vmlinux"), FILE],
    ["an address with a password", kernel("url", "https://me:secret@example.com/vmlinux"), FILE],
    ["a file name that leads elsewhere", kernel("url", "https://example.com/%2e%2e%2fvmlinux"), FILE],
    ["a file name of dots", kernel("url", "https://example.com/x/.."), FILE],
    ["half a hash", kernel("sha256", "abc"), "kernels[0].sha256: 64 lower-case hex digits"],
    ["a size in quotes", asset("size", "3"), `${ASSET}.size: expected number, received string`],
    ["a size of nothing", asset("image_size", 0), `${ASSET}.image_size: Too small: expected number to be >0`],
    [
      "an unknown arch",
      kernel("arch", "riscv"),
      'kernels[0].arch: Invalid option: expected one of "amd64"|"arm64"',
    ],
    ["a field too many", kernel("colour", "red"), 'kernels[0]: Unrecognized key: "colour"'],
    [
      "a field too few",
      manifest((of) => delete of.images![0]!.preset),
      "images[0].preset: expected string, received undefined",
    ],
    ["a list instead", "[]", "expected object, received array"],
    ["nothing", "", "it is not JSON: Unexpected end of JSON input"],
    ["a web page", "<html>", "it is not JSON: Unexpected token '<', \"<html>\" is not valid JSON"],
  ])("with %s is refused, and the field is named", async (_, text, reason) => {
    const path = written(text);
    expect(await said(() => loadManifest(path))).toBe(
      `${path} is not a valid manifest (${reason}): give another with --manifest`,
    );
  });

  it("with many faults names the first three, and how many more there are", async () => {
    const path = written(manifest(({ bases }) => (bases![0] = {})));
    expect(await said(() => loadManifest(path))).toMatch(
      /\(bases\[0\]\.flavor: [^;]+; bases\[0\]\.arch: [^;]+; bases\[0\]\.rootfs_url: [^;]+; and 1 more\)/,
    );
  });

  it.each<[string, () => string, RegExp]>([
    [
      "nothing is",
      () => join(tempDirectory(), "x"),
      /^cannot read the manifest \S+ \(no such file or directory\): give/,
    ],
    ["a directory is", tempDirectory, /^cannot read the manifest \S+ \(it is a directory\): give/],
    [
      "nobody listens",
      () => "http://127.0.0.1:9/x",
      /^cannot read the manifest http:\S+ \(.*(bad port|ECONNREFUSED).*\): give/,
    ],
    [
      "bytes never end",
      () => "/dev/zero",
      /^cannot read the manifest \/dev\/zero \(it is larger than 16777216 bytes\): give/,
    ],
    [
      "the name is empty",
      () => "",
      /^--manifest "" is empty: give a path, or a file:, http: or https: address$/,
    ],
    ["the name holds a NUL", () => "a\0b", /holds a NUL byte: give a path/],
    [
      "ftp is spoken",
      () => "ftp://x/y",
      /^--manifest "ftp:\/\/x\/y" begins with ftp:, which is not supported: give/,
    ],
    ["there is no host", () => "http://", /^--manifest "http:\/\/" is not an address: give/],
    ["a file: address is relative", () => "file:x", /^--manifest "file:x" is not a file: address/],
    ["a file is on another host", () => "file://host/x", /is not a file: address/],
    [
      "a password is needed",
      () => "https://me:secret@example.com/x",
      /^--manifest has a user name or password before example\.com/,
    ],
  ])("where %s is refused", async (_, source, message) => {
    expect(await said(() => loadManifest(source()))).toMatch(message);
  });

  it("whose server answers with an error is refused with that; one that is stopped ends at once", async () => {
    const server = await FileServer.start();
    server.troubles.push({ kind: "status", status: 503 }, { kind: "silence" });
    expect(await said(() => loadManifest(`${server.url}/m`))).toContain(" (HTTP 503): give another");
    const stop = new AbortController();
    const loading = loadManifest(`${server.url}/m`, stop.signal).catch((error) => error);
    await expect.poll(() => server.requests.length).toBe(2);
    stop.abort(new Error("stop"));
    expect((await loading).message).toBe("stop");
  });
});

describe("out/cells.json", () => {
  const project = (make: (path: string) => void) => {
    const root = tempDirectory();
    mkdirSync(join(root, "out"));
    make(join(root, "out/cells.json"));
    return root;
  };
  const right = JSON.parse(readFileSync(join(REPOSITORY, "out/cells.json"), "utf8"));
  it.each<[string, (path: string) => void, RegExp]>([
    [
      "is not there",
      () => {},
      /^there is no out\/cells\.json in \S+: run `npx smolvm-images synth` first, in the directory of the project's package\.json$/,
    ],
    [
      "is a directory",
      (path) => mkdirSync(path),
      /^cannot read \S+ \(it is a directory\): fix that, then run `npx smolvm-images synth`/,
    ],
    [
      "is cut short",
      (path) => writeFileSync(path, "{"),
      /^out\/cells\.json is not valid for this version of the program \(it is not JSON: .+\): run/,
    ],
    [
      "has another field",
      (path) => writeFileSync(path, JSON.stringify({ ...right, colour: "red" })),
      /\(Unrecognized key: "colour"\): run `npx smolvm-images synth`$/,
    ],
    [
      "has an unknown arch",
      (path) => writeFileSync(path, JSON.stringify({ ...right, cells: [{ ...right.cells[0], arch: "x" }] })),
      /\(cells\[0\]\.arch: Invalid option: expected one of "amd64"\|"arm64"\): run/,
    ],
  ])("that %s is refused, with the reason", async (_, make, message) => {
    expect(await said(() => readCells(project(make)))).toMatch(message);
  });
});

describe("a file that the pipeline wrote", () => {
  it("is no defect where a directory has taken its place", async () => {
    const path = tempDirectory();
    const message = `cannot read ${path} (it is a directory): move it away, or make it readable`;
    expect(await said(() => readRecord(path, RecordedDigests))).toBe(message);
    expect(await said(() => readCommitted(path, RecordedDigests))).toBe(message);
    mkdirSync(join(path, "x.json"));
    expect(await said(() => new StagingDirectory(path).facts("x"))).toContain(
      "(it is a directory): remove it",
    );
    mkdirSync(join(path, "listings/x.json"), { recursive: true });
    expect(await said(() => readListing(path, "x"))).toContain(
      "is not a valid listing (it is a directory): restore",
    );
  });

  it("and is committed names the field that is wrong; where nothing is, there is nothing", async () => {
    const path = written(JSON.stringify({ schema_version: 2, tag: 5, assets: { x: { sha256: "y" } } }));
    expect(await said(() => readCommitted(path, RecordedDigests))).toMatch(
      /does not have the format that this version writes \(tag: expected string, received number; assets\.x\.sha256: 64 lower-case hex digits; .+\): restore it/,
    );
    expect(await readCommitted(`${path}.none`, RecordedDigests)).toBeUndefined();
  });
});
