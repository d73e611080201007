import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { locate } from "../../../pipeline/schema/recipes.ts";
import { findProject } from "../../../pipeline/synth/find-project.ts";
import { REPOSITORY } from "../../support/project.ts";
import { tempDirectory } from "../../support/run.ts";

/** A directory with these files, all of them empty. */
function directoryWith(...paths: string[]): string {
  const root = tempDirectory();
  for (const path of paths) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), "");
  }
  return root;
}

describe("the project that a command is about", () => {
  it.each(["images.ts", "pipeline/images.ts"])("has %s beside its package.json, here or above", (path) => {
    const root = directoryWith("package.json", path, "some/where/file");
    expect(findProject(root)).toEqual({ root, declaration: path });
    expect(findProject(join(root, "some/where"))).toEqual({ root, declaration: path });
    expect(findProject(dirname(join(root, path)))).toEqual({ root, declaration: path });
  });

  it("has at least cells, where only a release is made", () => {
    const root = directoryWith("out/cells.json", "some/where/file");
    expect(findProject(join(root, "some/where")).root).toBe(root);
  });

  it("is the present directory where there is none", () => {
    const root = directoryWith("images.ts");
    expect(findProject(root)).toEqual({ root, declaration: "images.ts" });
  });

  it("is that of the file that the user names", () => {
    const root = directoryWith("package.json", "images.ts", "more/agents.ts");
    expect(findProject(root, "more/agents.ts")).toEqual({ root, declaration: "more/agents.ts" });
    expect(findProject(join(root, "more"), "agents.ts")).toEqual({ root, declaration: "more/agents.ts" });
    expect(() => findProject(root, "none.ts")).toThrow("--app none.ts: there is no such file");
    expect(() => findProject(root, "more")).toThrow("--app more: there is no such file");
    expect(() => findProject(root, "package.json")).toThrow(
      "--app package.json is not a file of TypeScript: name the file that declares the images, such as images.ts",
    );
  });
});

describe("a recipe", () => {
  it.each(["init/init", "dockerfiles/tools/package-lock.json", "dockerfiles/kernel/common.config"])(
    "%s is the project's own, and else the package's",
    (path) => {
      const own = directoryWith(path);
      expect(locate(own, path)).toBe(join(own, path));
      expect(locate(tempDirectory(), path)).toBe(join(REPOSITORY, path));
    },
  );

  it.each(["dockerfiles/codex/package-lock.json", "dockerfiles/kernel.Dockerfile", "README.md"])(
    "is nothing else: %s",
    (path) => {
      const root = tempDirectory();
      expect(locate(root, path)).toBe(join(root, path));
    },
  );
});
