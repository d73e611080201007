import { expect, it } from "vitest";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { AlpineBaseContributor } from "../../../pipeline/constructs/packer/alpine/base.ts";
import { PackerBundle } from "../../../pipeline/constructs/packer/bundle.ts";
import { driftRow, isAcceptable } from "../../../pipeline/plan/drift.ts";
import { FileServer } from "../../support/file-server.ts";
import { declared, pinNamed, upstream, written } from "../../support/upstream/upstream.ts";

const LIST = "/latest-stable/releases/x86_64/latest-releases.yaml";
const list = (version: string) =>
  `---\n- flavor: alpine-minirootfs\n  file: alpine-minirootfs-${version}-x86_64.tar.gz\n` +
  `- flavor: alpine-virt\n  file: alpine-virt-${version}-x86_64.iso\n  sha256: 1e5\n`;

/** A project with one box, and a mirror whose list is `text`. */
async function asked(text: string | undefined, version = "3.24.2") {
  const server = await FileServer.start();
  if (text !== undefined) server.files.set(LIST, Buffer.from(text));
  const flavor = Flavor.alpine({ version: "3.24", image: "x:1@sha256:".padEnd(75, "0") });
  const project = declared({ flavor }, { "images.ts": `const BOX = "${version}"; // Alpine\n` });
  new PackerBundle(project.release.node.root as never, "box", {
    version,
    contributors: [new AlpineBaseContributor()],
  });
  const pin = pinNamed(project, "box");
  return { project, pin, newest: () => pin.newest(upstream({ addresses: { alpine: server.url } })) };
}

it("is behind the next point release, which replaces the one field", async () => {
  const { project, pin, newest } = await asked(list("3.24.4"));
  const answer = await newest();
  expect(pin).toMatchObject({ kind: "packer", pinned: "3.24.2" });
  expect(pin.supported).toEqual({ product: "alpine-linux", release: "3.24" });
  expect(answer).toMatchObject({ version: "3.24.4", behind: { versions: 2 } });
  expect(await written(project, answer)).toEqual({ "images.ts": 'const BOX = "3.24.4"; // Alpine\n' });
});

it("is behind another branch, and a version of two parts is replaced as it is written", async () => {
  const { project, newest } = await asked(list("3.25.0"), "3.24");
  const answer = await newest();
  expect(answer).toMatchObject({ version: "3.25.0", behind: {} });
  expect(await written(project, answer)).toEqual({ "images.ts": 'const BOX = "3.25.0"; // Alpine\n' });
});

it("is a warning, and no longer acceptable with --strict", async () => {
  const { pin, newest } = await asked(list("3.24.3"));
  const row = driftRow(pin, await newest(), { until: "2028-06-01", source: "x" }, "2026-11-22");
  expect(row.state).toBe("behind");
  expect([isAcceptable([row], false), isAcceptable([row], true)]).toEqual([true, false]);
});

it("is current at the newest release", async () => {
  expect(await (await asked(list("3.24.2"))).newest()).toEqual({ version: "3.24.2" });
});

it.each([
  [undefined, /latest-releases\.yaml: HTTP 404/],
  ["{", /latest-releases\.yaml: it is not a list of releases/],
  ["[]", /releases\/x86_64: its list has no alpine-virt medium$/],
  [list("3.23.9"), /it has Alpine 3\.23\.9, which is older$/],
])("does not know from %j", async (text, reason) => {
  const { newest } = await asked(text);
  await expect(newest()).rejects.toThrow(reason);
});
