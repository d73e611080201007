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
import { changes, unifiedDiff, write } from "../../pipeline/synth/project.ts";
import { synth } from "../../pipeline/synth/synth.ts";
import { sampleApp } from "../support/tree.ts";

const output = synth(sampleApp());

describe("writing", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "smolvm-synth-"));
    write(root, changes(root, output));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** What an earlier `.gitattributes` could say was generated. */
  const claimGenerated = (...paths: string[]) =>
    writeFileSync(
      join(root, ".gitattributes"),
      paths.map((path) => `/${path} linguist-generated text eol=lf\n`).join(""),
    );

  it("puts every file where the map says, with that text", () => {
    for (const [path, text] of output) expect(readFileSync(join(root, path), "utf8")).toBe(text);
    expect(changes(root, output)).toEqual([]);
  });

  it("leaves unchanged files alone, and writes the one that is not as the tree says", () => {
    for (const path of output.keys()) utimesSync(join(root, path), 1000, 1000);
    writeFileSync(join(root, "out/cells.json"), "{}\n");
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

  it("leaves no half-written file behind when one cannot be written", () => {
    const before = readdirSync(root, { recursive: true }).sort();
    const target = "dockerfiles/base-ubuntu.Dockerfile";
    rmSync(join(root, target));
    mkdirSync(join(root, target));
    const change = { path: target, before: undefined, after: "FROM scratch\n" };
    expect(() => write(root, [change])).toThrow(`cannot write ${target}: `);
    expect(readdirSync(root, { recursive: true }).sort()).toEqual(before);
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
