import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { expect, it } from "vitest";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { FileServer } from "../../support/file-server.ts";
import { declared, pinNamed, upstream, written } from "../../support/upstream/upstream.ts";

async function tar(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const archive = pack();
  for (const [name, text] of Object.entries(files)) archive.entry({ name }, text);
  archive.finalize();
  return await buffer(archive);
}

/** An index as apk-tools writes it: the signature, without the end of a tar, and the index, each a gzip stream. */
async function index(text: string): Promise<Buffer> {
  const signature = (await tar({ ".SIGN.RSA.test.rsa.pub": "signature" })).subarray(0, 1024);
  return Buffer.concat([gzipSync(signature), gzipSync(await tar({ DESCRIPTION: "v3.24", APKINDEX: text }))]);
}
const entry = (name: string, version: string) => `C:Q1x=\nP:${name}\nV:${version}\nA:x86_64\n\n`;

async function asked(text: string) {
  const server = await FileServer.start();
  server.files.set("/v3.24/main/x86_64/APKINDEX.tar.gz", await index(text));
  const flavor = Flavor.alpine({ version: "3.24", image: "x:1@sha256:".padEnd(75, "0") });
  const project = declared(
    { flavor, node: "24.18.1", packages: ["nodejs"] },
    { "images.ts": 'const NODE = "24.18.1"; // of Alpine\n' },
  );
  const pin = pinNamed(project, "node (alpine)");
  return { server, project, pin, newest: () => pin.newest(upstream({ addresses: { alpine: server.url } })) };
}

it("is the version of the branch, without the revision of the package", async () => {
  const { project, pin, newest } = await asked(
    entry("nodejs-libs", "1.0.0-r0") + entry("nodejs", "24.22.3-r1") + entry("npm", "11.0.0-r0"),
  );
  const answer = await newest();
  expect(pin.supported).toEqual({ product: "nodejs", release: "24" });
  expect(answer).toMatchObject({ version: "24.22.3", behind: {} });
  expect(await written(project, answer)).toEqual({ "images.ts": 'const NODE = "24.22.3"; // of Alpine\n' });
});

it("is current at another revision of the same version", async () => {
  const { newest } = await asked(entry("nodejs", "24.18.1-r7"));
  expect(await newest()).toEqual({ version: "24.18.1" });
});

it.each([
  [entry("npm", "11.0.0-r0"), /APKINDEX\.tar\.gz: it has no package nodejs$/],
  [entry("nodejs", "24.17.0-r0"), /it has nodejs 24\.17\.0, which is older$/],
  [entry("nodejs", "24_git2026-r0"), /nodejs has the version 24_git2026-r0$/],
])("does not know from %j", async (text, reason) => {
  const { newest } = await asked(text);
  await expect(newest()).rejects.toThrow(reason);
});

it("does not know from a file that is no index", async () => {
  const { server, newest } = await asked("");
  server.files.set("/v3.24/main/x86_64/APKINDEX.tar.gz", Buffer.from("no gzip"));
  await expect(newest()).rejects.toThrow(/it is not an index of packages \(incorrect header check\)/);
  server.files.set("/v3.24/main/x86_64/APKINDEX.tar.gz", gzipSync(await tar({ x: "y" })));
  await expect(newest()).rejects.toThrow(/it has no file APKINDEX/);
});
