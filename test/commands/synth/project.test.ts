import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { IMAGES_RELEASE_TAG } from "../../support/sample/images.ts";
import { Copy } from "../../support/synth-copy.ts";
import { lockfile } from "../../support/tree.ts";

// Each has a copy of its own, so that they can run side by side.
const it = test.extend<{ copy: Copy }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants the fixtures that this one uses, and there are none.
  copy: async ({}, use) => {
    const copy = new Copy();
    await use(copy);
    copy.remove();
  },
});

describe.concurrent("a generated file that was edited by hand", () => {
  const stale = "dockerfiles/codex-debian.Dockerfile";
  const spoil = (copy: Copy) => {
    const before = copy.read(stale);
    copy.write(stale, `${before}RUN true\n`);
    return before;
  };

  it("fails synth --check, which shows what differs and how to mend it, and writes nothing", async ({
    copy,
  }) => {
    const before = spoil(copy);
    const { exitCode, stdout, stderr } = await copy.run(["synth", "--check"]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain(`--- a/${stale}\n+++ b/${stale}\n@@ `);
    expect(stdout).toMatch(/^-RUN true$/m);
    expect(stderr).toBe(
      "1 generated files are stale: run `npx smolvm-images synth` and commit what it changes\n",
    );
    expect(copy.read(stale)).toBe(`${before}RUN true\n`);
    // Outside of Actions nobody reads annotations.
    expect(stdout).not.toContain("::error");
  });

  it("fails it inside Actions with an annotation at the file, that names the command which mends it", async ({
    copy,
  }) => {
    spoil(copy);
    const { exitCode, stdout } = await copy.run(["synth", "--check"], { GITHUB_ACTIONS: "true" });
    expect(exitCode).toBe(1);
    const annotations = stdout.split("\n").filter((line) => line.startsWith("::error "));
    expect(annotations).toHaveLength(1);
    expect(annotations[0]).toMatch(
      /^::error [^:]*file=dockerfiles\/codex-debian\.Dockerfile[^:]*::.*`npx smolvm-images synth`/,
    );
  });

  it("is shown by diff, which is no failure, and mended by synth", async ({ copy }) => {
    const before = spoil(copy);
    const diff = await copy.run(["diff"]);
    expect(diff.exitCode).toBe(0);
    expect(diff.stdout).toMatch(/^-RUN true$/m);
    const mended = await copy.run(["synth"]);
    expect([mended.exitCode, mended.stdout]).toEqual([0, ""]);
    expect(mended.stderr).toMatch(
      /^changed dockerfiles\/codex-debian\.Dockerfile\n\d+ generated files, 1 changed\n$/,
    );
    expect(copy.read(stale)).toBe(before);
  });
});

describe.concurrent("a maintainer", () => {
  it("bumps one constant, and sees in the diff every file that follows from it", async ({ copy }) => {
    const images = copy.read("pipeline/images.ts");
    copy.write("pipeline/images.ts", images.replace(`"${IMAGES_RELEASE_TAG}"`, '"images-v99"'));
    const { stdout } = await copy.run(["diff"]);
    expect([...stdout.matchAll(/^\+\+\+ b\/(\S+)/gm)].map(([, path]) => path)).toEqual([
      ".github/workflows/build-published-images.yml",
      "out/cells.json",
      "out/manifest.json",
      "out/published_images.py",
    ]);
    const lines = stdout.split("\n");
    expect(lines.filter((line) => line === '+  "tag": "images-v99",')).toHaveLength(2);
    expect(lines.filter((line) => line.startsWith("+") && line.includes(IMAGES_RELEASE_TAG))).toEqual([]);
  });

  it("adds a preset by one statement and one lockfile, and takes it away without a trace", async ({
    copy,
  }) => {
    const images = copy.read("pipeline/images.ts");
    const attributes = copy.read(".gitattributes");
    const install = 'npm("agent", { binary: "agent/bin/agent" })';
    const statement = `  new PresetLayer(release, "agent", { install: ${install}, check: ["agent", "--version"] });`;
    copy.write("pipeline/images.ts", images.replace(/\}\n$/, `${statement}\n}\n`));
    copy.write("dockerfiles/agent/package.json", "{}");
    copy.write("dockerfiles/agent/package-lock.json", lockfile("agent", {}));

    const added = await copy.run(["synth"]);
    expect(added.exitCode).toBe(0);
    const dockerfiles = ["alpine", "debian", "ubuntu"].map((on) => `dockerfiles/agent-${on}.Dockerfile`);
    expect(added.stderr.match(/(?<=^wrote {3})\S+/gm)).toEqual(dockerfiles);
    expect(
      copy
        .read("out/cells.json")
        .match(/(?<="id": ")agent-\w+-\w+/g)
        ?.sort(),
    ).toEqual([
      ...["agent-amd64-alpine", "agent-amd64-debian", "agent-amd64-ubuntu"],
      ...["agent-arm64-alpine", "agent-arm64-debian", "agent-arm64-ubuntu"],
    ]);

    copy.write("pipeline/images.ts", images);
    const removed = await copy.run(["synth"]);
    expect(removed.stderr.match(/(?<=^removed )\S+/gm)).toEqual(dockerfiles);
    expect(dockerfiles.filter((path) => existsSync(copy.path(path)))).toEqual([]);
    // What they wrote by hand is theirs.
    expect(existsSync(copy.path("dockerfiles/agent/package-lock.json"))).toBe(true);
    expect(copy.read(".gitattributes")).toBe(attributes);
  });

  it("is told everything that is wrong with the tree, and nothing is written", async ({ copy }) => {
    copy.write(
      "pipeline/images.ts",
      `import type { App } from "smolvm-images/constructs";
       import { BaseRootfs } from "smolvm-images/constructs";
       import { Flavor } from "smolvm-images/constructs";
       import { npm } from "smolvm-images/constructs";
       import { PresetLayer } from "smolvm-images/constructs";
       import { Release } from "smolvm-images/constructs";

       const DEBIAN_IMAGE = "debian:trixie-slim@sha256:${"0".repeat(64)}";

       export function declareImages(app: App): void {
         const release = new Release(app, "own", {
           tag: "own-v1", repository: "example/images", archs: ["amd64"], vmms: ["qemu"],
           defaultFlavor: "debian", newestFile: "2026-10-05T00:00:00Z",
         });
         const flavor = Flavor.debian({ version: "13", suite: "trixie", image: DEBIAN_IMAGE, snapshot: "20261120T000000Z" });
         new BaseRootfs(release, "base", { flavor, packages: ["bash"], diskMib: 0 });
         new PresetLayer(release, "agent", { install: npm("agent"), check: ["agent"], refuses: { arch: "no" } });
       }`,
    );
    const before = copy.files();
    const { exitCode, stdout, stderr } = await copy.run(["synth"]);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr.trimEnd().split("\n")).toEqual([
      "error: the tree has 4 errors; none of its files was written",
      "- own: has no Kernel, which every image needs to boot: declare one",
      "- own/base: diskMib: 0 is not a whole number of at least 64",
      '- own/agent: refuses: unknown flavor "arch"; one of: debian',
      "- own/agent: dockerfiles/agent/package-lock.json is missing: make it with npm install --package-lock-only",
    ]);
    expect(copy.files()).toEqual(before);
  });
});
