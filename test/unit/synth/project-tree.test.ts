import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { APT_SNAPSHOT } from "../../../pipeline/images.ts";
import { changes } from "../../../pipeline/synth/project.ts";
import { cellsOf, synth } from "../../../pipeline/synth/synth.ts";
import { REPOSITORY } from "../../support/project.ts";
import { projectApp } from "../../support/tree.ts";

/**
 * What holds of the project's own tree whatever a maintainer declares in it; dockerfiles.test.ts and workflow.test.ts
 * hold the rules of its Dockerfiles and workflows. What synth does with a tree is tested with the sample tree.
 */
const output = synth(projectApp());

it("what is committed is what the tree synthesises to", () => {
  expect(
    changes(REPOSITORY, output).map(({ path }) => path),
    "run `npx smolvm-images synth`",
  ).toEqual([]);
});

it.each(["Dockerfile", "efi.Dockerfile"])(
  "the container of dockerfiles/tools/%s, in which images are made, has its packages from the same day as they",
  (name) => {
    const tools = readFileSync(join(REPOSITORY, "dockerfiles/tools", name), "utf8");
    expect(tools).toContain(`apt_update ${APT_SNAPSHOT};`);
  },
);

it("every image is built on a base of its own arch and flavor, which is published where the image is", () => {
  const { cells } = cellsOf(output);
  for (const cell of cells) {
    if (cell.kind !== "preset") continue;
    const base = cells.find(({ id }) => id === cell.base);
    expect(base, cell.id).toMatchObject({ kind: "base", arch: cell.arch, flavor: cell.flavor });
    expect(base?.published, cell.id).toBe(cell.published);
  }
});
