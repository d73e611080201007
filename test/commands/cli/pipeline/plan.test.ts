import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { digestsOf } from "../../../../pipeline/release/digests.ts";
import { CHECKOUT_CELLS, makeCheckout } from "../../../support/checkout.ts";
import { factsOf } from "../../../support/github/staging.ts";
import { cli } from "../../../support/project.ts";

const published = CHECKOUT_CELLS.cells.filter((cell) => cell.published);
const facts = published.flatMap((cell) => cell.assets.map((asset) => factsOf(cell, asset)));
const EARLIER = { ...digestsOf(CHECKOUT_CELLS, { facts }), tag: "test-v0" };

/** The plan in a checkout whose `images.lock.json` is `text`. */
async function planned(text: string, ...flags: string[]) {
  const root = makeCheckout();
  writeFileSync(join(root, "images.lock.json"), text);
  const output = join(root, "output");
  writeFileSync(output, "");
  const env = { GITHUB_OUTPUT: output, GITHUB_ACTIONS: undefined, RUNNER_TEMP: root };
  const ended = await cli(root, ["plan", "--json", ...flags], { env });
  expect(ended).toMatchObject({ exitCode: 0 });
  const { tag, cells } = JSON.parse(ended.stdout) as { tag: string; cells: { id: string }[] };
  expect(tag).toBe(CHECKOUT_CELLS.tag);
  expect(cells.map(({ id }) => id)).toEqual(published.map(({ id }) => id));
  return { cells, stderr: ended.stderr, output: readFileSync(output, "utf8") };
}

describe("plan, of a new tag with the inputs of the last release", () => {
  it("carries every cell over, and gives empty matrices", async () => {
    const { cells, stderr, output } = await planned(JSON.stringify(EARLIER));
    const why = "the same inputs as at test-v0";
    expect(cells).toEqual(published.map(({ id }) => ({ id, action: "carry", from: "test-v0", why })));
    expect(stderr).toContain(
      `${published.length} cells for test-v1, 0 to build, ${published.length} to carry over\n`,
    );
    for (const matrix of ["kernels", "bases", "presets", "containers", "fetched", "attestations"]) {
      expect(output).toMatch(new RegExp(`^${matrix}<<(\\S+)\\n\\[\\]\\n\\1$`, "m"));
    }
  });

  it("builds every cell with --all, and gives full matrices", async () => {
    const { cells, output } = await planned(JSON.stringify(EARLIER), "--all");
    const why = "all cells are built (--all)";
    expect(cells).toEqual(published.map(({ id }) => ({ id, action: "build", why })));
    for (const { id } of published) expect(output).toContain(`"cell":"${id}"`);
  });

  it.each(["{ half", JSON.stringify({ ...EARLIER, schema_version: 1 })])(
    "builds every cell if the record is damaged or old: %.20s",
    async (text) => {
      const { cells } = await planned(text);
      const why = "images.lock.json cannot be read";
      expect(cells).toEqual(published.map(({ id }) => ({ id, action: "build", why })));
    },
  );
});
