import { describe, expect, it } from "vitest";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { Initramfs } from "../../../pipeline/constructs/initramfs/initramfs.ts";
import type { ApplianceProgram } from "../../../pipeline/constructs/initramfs/program.ts";
import { pinsOf } from "../../../pipeline/upstream/index.ts";
import { FileServer } from "../../support/file-server.ts";
import { declared, pinNamed, upstream, written } from "../../support/upstream/upstream.ts";

const sha = (digit: string) => digit.repeat(64);
const BASE = "https://github.com/example/agent/releases/download";
const file = (version: string, arch: string) => `${BASE}/v${version}/agent-${version}-${arch}`;
const flavor = Flavor.alpine({ version: "3.24", image: "x:1@sha256:".padEnd(75, "0") });
const PROGRAM = {
  path: "/usr/local/bin/agent",
  files: {
    amd64: { url: file("1.0.0", "amd64"), sha256: sha("a") },
    arm64: { url: file("1.0.0", "arm64"), sha256: sha("b") },
  },
};
const text = JSON.stringify(PROGRAM);

/** A release as GitHub's REST API describes it. @param digests of the amd64 and the arm64 file */
const release = (tag: string, day: number, digests: readonly (string | null)[], rest = {}) => ({
  ...{ tag_name: tag, draft: false, prerelease: false, published_at: `2026-10-${day}T00:00:00Z` },
  assets: ["amd64", "arm64"].map((arch, at) => ({
    name: `agent-${tag.replace(/^\D*/, "")}-${arch}`,
    digest: digests[at] && `sha256:${digests[at]}`,
  })),
  ...rest,
});

async function asked(releases: unknown) {
  const server = await FileServer.start();
  const path = "/repos/example/agent/releases?per_page=100";
  server.files.set(path, Buffer.from(JSON.stringify(releases)));
  const project = declared({ flavor, programs: [PROGRAM] }, { "images.ts": text });
  const options = { addresses: { githubApi: server.url }, githubToken: "secret" };
  return { server, project, newest: () => pinNamed(project, "agent").newest(upstream(options)) };
}

it("is brought to the newest release of its family, with the digests that GitHub has", async () => {
  const { server, project, newest } = await asked([
    release("other-v9.0.0", 20, [sha("0"), sha("0")]),
    release("v1.3.0", 19, [sha("e"), sha("f")], { prerelease: true }),
    release("v1.2.0", 18, [sha("c"), sha("d")]),
    release("v1.1.0", 15, [null, null]),
    release("v1.0.0", 10, [sha("a"), sha("b")]),
  ]);
  const answer = await newest();
  expect(answer).toMatchObject({ version: "v1.2.0", behind: { versions: 2, days: 8 } });
  expect(await written(project, answer)).toEqual({
    "images.ts": text.replaceAll("1.0.0", "1.2.0").replace(sha("a"), sha("c")).replace(sha("b"), sha("d")),
  });
  expect(server.headers[0]).toMatchObject({ authorization: "Bearer secret" });
});

it("another digest for the pinned release is said", async () => {
  const { newest } = await asked([release("v1.0.0", 10, [sha("a"), sha("9")])]);
  expect(await newest()).toEqual({
    version: "v1.0.0",
    changed: "agent-1.0.0-arm64 of v1.0.0 has another sha256 now",
  });
});

it("is unknown without a digest, without the pinned release, or after an answer that is no list", async () => {
  const pinned = release("v1.0.0", 10, [sha("a"), sha("b")]);
  const untold = await asked([release("v1.1.0", 11, [sha("c"), null]), pinned]);
  await expect(untold.newest()).rejects.toThrow("GitHub has no sha256 of agent-1.1.0-arm64 in v1.1.0");
  const gone = await asked([release("v1.1.0", 11, [sha("c"), sha("d")])]);
  await expect(gone.newest()).rejects.toThrow("the release v1.0.0 is not among the newest 100");
  const none = await asked({ message: "Moved Permanently" });
  await expect(none.newest()).rejects.toThrow(/the answer cannot be used/);
});

it("from elsewhere than a release on GitHub is unknown", async () => {
  const files = { amd64: { url: "https://example.com/agent", sha256: sha("a") } };
  const project = declared({ flavor, programs: [{ path: PROGRAM.path, files }] });
  await expect(pinNamed(project, "agent").newest(upstream())).rejects.toThrow(
    "/usr/local/bin/agent: its files are not of one release on GitHub",
  );
});

it.each([
  ["code", 'v1.2.0/"+stop()+"', /is no tag of a version$/],
  ["another path", "v1.2.0/../../../../other/agent/releases/download/v1", /is no tag of a version$/],
])("a tag with %s is never written", async (_, tag, reason) => {
  const { newest } = await asked([
    release(tag, 18, [sha("c"), sha("d")]),
    release("v1.0.0", 10, [sha("a"), sha("b")]),
  ]);
  await expect(newest()).rejects.toThrow(reason);
});

it("is not brought to a lower version that was published later, nor to a prerelease that is not marked", async () => {
  const { newest } = await asked([
    release("v0.9.7", 20, [sha("e"), sha("f")]),
    release("v1.1.0-rc.1", 19, [sha("e"), sha("f")]),
    release("v1.0.0", 10, [sha("a"), sha("b")]),
  ]);
  expect(await newest()).toEqual({ version: "v1.0.0" });
});

it("is brought to the highest version, wherever GitHub lists it", async () => {
  const { newest } = await asked([
    release("v1.9.1", 20, [sha("e"), sha("f")]),
    release("v1.10.0", 19, [sha("c"), sha("d")]),
    release("v1.0.0", 10, [sha("a"), sha("b")]),
  ]);
  expect(await newest()).toMatchObject({ version: "v1.10.0", behind: { versions: 2, days: 9 } });
});

describe("of an appliance", () => {
  const appliance = (files: ApplianceProgram["files"]) => {
    const project = declared({ flavor }, { "images.ts": JSON.stringify(files) });
    new Initramfs(project.release, "box", {
      ...{ flavor: other, kernel: { flavor }, packages: {} },
      programs: [{ path: "/sbin/zinit", files }],
    });
    return project;
  };
  const other = Flavor.alpine({ version: "3.23", image: "y:1@sha256:".padEnd(75, "1") });
  const unpinned = { amd64: { url: file("1.0.0", "amd64") } };

  async function answers(files: ApplianceProgram["files"], releases: unknown) {
    const server = await FileServer.start();
    const path = "/repos/example/agent/releases?per_page=100";
    server.files.set(path, Buffer.from(JSON.stringify(releases)));
    const project = appliance(files);
    const newest = () =>
      pinNamed(project, "zinit").newest(upstream({ addresses: { githubApi: server.url } }));
    return { project, newest };
  }

  it("is brought to the newest release like that of a base", async () => {
    const { project, newest } = await answers({ amd64: PROGRAM.files.amd64 }, [
      release("v1.2.0", 18, [sha("c"), sha("d")]),
      release("v1.0.0", 10, [sha("a"), sha("b")]),
    ]);
    const pinned = JSON.stringify({ amd64: PROGRAM.files.amd64 });
    expect(await written(project, await newest())).toEqual({
      "images.ts": pinned.replaceAll("1.0.0", "1.2.0").replace(sha("a"), sha("c")),
    });
  });

  it("without a sha256 gets no sha256 by itself: what GitHub has is said", async () => {
    const { project, newest } = await answers(unpinned, [
      release("v1.2.0", 18, [null, null]),
      release("v1.0.0", 10, [sha("a"), null]),
    ]);
    const answer = await newest();
    expect(answer).toMatchObject({
      ...{ version: "v1.2.0", behind: { versions: 1 } },
      note: `agent-1.0.0-amd64 is not pinned; GitHub has the sha256 ${sha("a")}`,
    });
    expect(answer).not.toHaveProperty("changed");
    expect(await written(project, answer)).toEqual({
      "images.ts": JSON.stringify(unpinned).replaceAll("1.0.0", "1.2.0"),
    });
  });

  it("without a sha256 is not brought to a release that does not have its file", async () => {
    const { newest } = await answers(unpinned, [
      release("v1.2.0", 18, [], { assets: [] }),
      release("v1.0.0", 10, [null, null]),
    ]);
    await expect(newest()).rejects.toThrow("v1.2.0 has no agent-1.2.0-amd64");
  });

  it("of the newest release is no pin", () => {
    const project = appliance({
      amd64: { url: "https://github.com/example/agent/releases/latest/download/agent" },
    });
    expect(pinsOf(project).map(({ kind }) => kind)).not.toContain("program");
  });

  it("has distributions that are pins as well, and another release of one has its version in its name", () => {
    const names = pinsOf(appliance(unpinned)).map(({ kind, name, pinned }) => [kind, name, pinned]);
    expect(names).toEqual(
      expect.arrayContaining([
        ["distribution", "alpine", "3.24"],
        ["distribution", "alpine 3.23", "3.23"],
        ["image", "alpine image", "0".repeat(12)],
        ["image", "alpine 3.23 image", "1".repeat(12)],
      ]),
    );
  });
});
