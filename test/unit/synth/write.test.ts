import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { changes, unifiedDiff, write } from "../../../pipeline/synth/project.ts";
import { synth } from "../../../pipeline/synth/synth.ts";
import { sampleApp } from "../../support/tree.ts";

const output = synth(sampleApp());

describe("writing", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "smolvm-synth-"));
    write(root, changes(root, output));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** Every file below the root, with its text. */
  const snapshot = () =>
    readdirSync(root, { recursive: true, encoding: "utf8" })
      .sort()
      .map((path) => [
        path,
        statSync(join(root, path)).isFile() ? readFileSync(join(root, path), "utf8") : "",
      ]);

  const MARK = output.get(".gitattributes")!.split("\n", 1)[0]!;
  /** What an earlier `.gitattributes` could say was generated. */
  const claimGenerated = (...paths: string[]) =>
    writeFileSync(
      join(root, ".gitattributes"),
      [MARK, ...paths.map((path) => `/${path} linguist-generated text eol=lf`), ""].join("\n"),
    );

  it("puts every file where the map says, with that text", () => {
    for (const [path, text] of output) expect(readFileSync(join(root, path), "utf8")).toBe(text);
    expect(changes(root, output)).toEqual([]);
  });

  it("leaves unchanged files alone, and writes the one that is not as the tree says", () => {
    for (const path of output.keys()) utimesSync(join(root, path), 1000, 1000);
    writeFileSync(join(root, "out/cells.json"), `${output.get("out/cells.json")}edited\n`);
    write(root, changes(root, output));
    const touched = [...output.keys()].filter((path) => statSync(join(root, path)).mtimeMs !== 1_000_000);
    expect(touched).toEqual(["out/cells.json"]);
    expect(readFileSync(join(root, "out/cells.json"), "utf8")).toBe(output.get("out/cells.json"));
  });

  it("removes what it once generated and no longer does, and nothing beside it", () => {
    const [stale, beside] = ["gone", "kept"].map((name) => join(root, `dockerfiles/${name}.Dockerfile`));
    // As synth once wrote it: with the marker.
    const text = output.get("dockerfiles/base-ubuntu.Dockerfile")!;
    writeFileSync(stale!, text);
    writeFileSync(beside!, text);
    claimGenerated("dockerfiles/gone.Dockerfile", "dockerfiles/never-there.Dockerfile");
    const pending = changes(root, output);
    expect(unifiedDiff(pending)).toContain("--- a/dockerfiles/gone.Dockerfile\n+++ /dev/null\n");
    write(root, pending);
    expect([existsSync(stale!), existsSync(beside!)]).toEqual([false, true]);
    expect(changes(root, output)).toEqual([]);
  });

  it("keeps a file that somebody marked for reviews, and that does not say itself that it was generated", () => {
    writeFileSync(join(root, "hand-written.json"), "{}\n");
    claimGenerated("hand-written.json");
    expect(changes(root, output).map(({ path }) => path)).not.toContain("hand-written.json");
  });

  it("changes nothing when one of several files cannot be written", () => {
    const before = snapshot();
    // With the partial's ending this name is longer than a file system takes.
    const long = `new/directory/${"x".repeat(250)}`;
    const pending = ["out/cells.json", long, ".gitattributes"].map((path) => ({
      path,
      before: undefined,
      after: "other\n",
    }));
    expect(() => write(root, pending)).toThrow(`cannot write ${long} (name too long): nothing was changed`);
    expect(snapshot()).toEqual(before);
  });

  it("leaves no half-written file behind when one cannot take its name", () => {
    const before = readdirSync(root, { recursive: true }).sort();
    const target = "dockerfiles/base-ubuntu.Dockerfile";
    rmSync(join(root, target));
    mkdirSync(join(root, target));
    const change = { path: target, before: undefined, after: "FROM scratch\n" };
    expect(() => write(root, [change])).toThrow(`cannot write ${target} (`);
    expect(readdirSync(root, { recursive: true }).sort()).toEqual(before);
  });

  describe("where somebody else has put a file", () => {
    const WORKFLOW = ".github/workflows/build-published-images.yml";
    const refused = (paths: string, them: string) =>
      `synth did not write ${paths}, and would replace ${them}: move ${them} away or delete ${them}, then run \`npx smolvm-images synth\``;

    it("names every such file, and writes nothing", () => {
      for (const path of [".gitattributes", WORKFLOW, "out/manifest.json"]) {
        writeFileSync(join(root, path), "* text=auto\n# by hand\n");
      }
      rmSync(join(root, "out/cells.json"));
      const before = snapshot();
      expect(() => changes(root, output)).toThrow(
        refused(`.gitattributes, ${WORKFLOW}, out/manifest.json`, "them"),
      );
      expect(snapshot()).toEqual(before);
    });

    it.each<[string, (path: string) => void]>([
      ["an empty file", (path) => writeFileSync(path, "")],
      [
        "one that mentions the mark further down",
        (path) => writeFileSync(path, `# mine\n${output.get(WORKFLOW)}`),
      ],
      ["a manifest of something else", (path) => writeFileSync(path, '{"name": "app", "icons": []}')],
      ["a directory", (path) => mkdirSync(path)],
      ["a link to a generated file", (path) => symlinkSync(join(root, "out/cells.json"), path)],
    ])("takes %s for theirs", (_, make) => {
      for (const path of [WORKFLOW, "out/manifest.json"]) {
        rmSync(join(root, path));
        make(join(root, path));
      }
      expect(() => changes(root, output)).toThrow(refused(`${WORKFLOW}, out/manifest.json`, "them"));
    });

    it("where a directory is to be, says which file could not be looked at", () => {
      rmSync(join(root, "out"), { recursive: true });
      writeFileSync(join(root, "out"), "");
      expect(() => changes(root, output)).toThrow("cannot read out/cells.json (not a directory)");
    });
  });

  it("knows every file that it writes, and the manifest of an earlier or a later version, as its own", () => {
    const later = { ...JSON.parse(output.get("out/manifest.json")!), schema_version: 2, assets: {} };
    writeFileSync(join(root, "out/manifest.json"), JSON.stringify(later));
    for (const path of output.keys()) {
      if (path !== "out/manifest.json") writeFileSync(join(root, path), `${output.get(path)}# edited\n`);
    }
    expect(changes(root, output).map(({ path }) => path)).toEqual([...output.keys()]);
  });

  describe("where .gitattributes is hostile", () => {
    let outside: string;
    let victim: string;
    beforeEach(() => {
      outside = mkdtempSync(join(tmpdir(), "smolvm-outside-"));
      victim = join(outside, "victim");
      writeFileSync(victim, output.get("dockerfiles/base-ubuntu.Dockerfile")!);
      symlinkSync(outside, join(root, "link"));
      symlinkSync(victim, join(root, "file-link"));
      mkdirSync(join(root, "directory"));
    });
    afterEach(() => rmSync(outside, { recursive: true }));

    it.each([
      ["an absolute path", () => victim],
      ["a path that climbs out", () => `../${basename(outside)}/victim`],
      ["a path that climbs out further on", () => `dockerfiles/../../${basename(outside)}/victim`],
      ["a path through a symlink", () => "link/victim"],
      ["a symlink", () => "file-link"],
      ["a directory", () => "directory"],
      ["the project itself", () => "."],
    ])("removes nothing that is named by %s", (_, path) => {
      claimGenerated(path());
      const pending = changes(root, output);
      expect(pending.map((change) => change.path)).toEqual([".gitattributes"]);
      write(root, pending);
      expect(readdirSync(outside)).toEqual(["victim"]);
      expect(readdirSync(root)).toEqual(expect.arrayContaining(["directory", "file-link", "link"]));
    });
  });
});

describe("the difference", () => {
  it("is one that patch and git can apply: what is committed, then what the tree says", () => {
    const pending = [
      { path: "a", before: "one\ntwo\n", after: "one\n2\n" },
      { path: "new", before: undefined, after: "text\n" },
      { path: "old", before: "text\n", after: undefined },
    ];
    const lines = unifiedDiff(pending)
      .split("\n")
      .filter((line) => /^(---|\+\+\+|@@|[ +-]\w)/.test(line))
      .map((line) => line.trimEnd());
    expect(lines).toEqual([
      ...["--- a/a", "+++ b/a", "@@ -1,2 +1,2 @@", " one", "-two", "+2"],
      ...["--- /dev/null", "+++ b/new", "@@ -0,0 +1,1 @@", "+text"],
      ...["--- a/old", "+++ /dev/null", "@@ -1,1 +0,0 @@", "-text"],
    ]);
  });

  it("is empty when there is nothing to change", () => {
    expect(unifiedDiff([])).toBe("");
  });
});
