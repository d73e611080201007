import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Listing, page } from "../../../bench/contents/render.ts";
import type { BaseCell } from "../../../pipeline/schema/cells.ts";
import { cellsOf, synth } from "../../../pipeline/synth/synth.ts";
import { REPOSITORY } from "../../support/project.ts";
import { projectApp } from "../../support/tree.ts";

const text = (path: string) => readFileSync(join(REPOSITORY, path), "utf8");
const listing: Listing = JSON.parse(text("bench/contents/listing.json"));
const base = cellsOf(synth(projectApp())).cells.find(({ id }) => id === "base-amd64-debian") as BaseCell;

it("docs/contents.md is made from its listing and the declared omissions: run `npm run bench -- contents`", () => {
  expect(text("docs/contents.md")).toBe(page(listing, base));
});

it("the listing is of the declared snapshot, and has the base's packages", () => {
  expect(listing.snapshot).toBe(base.made_from.snapshot);
  const names = listing.ours.map(([name]) => name);
  for (const name of base.made_from.packages!.split(" ")) expect(names).toContain(name);
  expect(names).not.toContain("systemd");
  expect(listing.cloud.map(([name]) => name)).toContain("systemd");
});

it("each package that is left out is in one row, and each that is added is named", () => {
  const page_ = page(
    {
      snapshot: "20260101T000000Z",
      cloud: [
        ["bash", "5", 1024],
        ["grub-pc", "2", 2048],
        ["vim", "9", 512],
        ["novelty", "1", 100],
      ],
      ours: [
        ["bash", "5", 1024],
        ["git", "2", 3072],
      ],
    },
    { omits: [{ paths: "/usr/share/x", reason: "nobody reads it" }] },
  );
  expect(page_).toContain("| Debian's cloud image | 4 | 3.6 |\n| our base, without Node | 2 | 4.0 |\n");
  expect(page_).toMatch(/^\| kernel, boot loader, initramfs \| .* \| 2\.0 \| grub-pc \|$/m);
  expect(page_).toMatch(/^\| editors and tools for people \| .* \| 0\.5 \| vim \|$/m);
  expect(page_).toMatch(/^\| libraries .* \| 0\.1 \| novelty \|$/m);
  expect(page_).toContain("\ngit (3.0 MiB).\n");
  expect(page_).toContain("| `/usr/share/x` | nobody reads it |");
});
