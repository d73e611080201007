import { expect, it } from "vitest";
import { compareTags, familyOf, hasVersion } from "../../../pipeline/release/tag-order.ts";

it.each([
  ["semantic versions", ["images-v0.0.9", "images-v0.0.10", "images-v0.1.0", "images-v1.0.0"]],
  [
    "prereleases, as semver.org lists them",
    [
      ...["images-v1.0.0-alpha", "images-v1.0.0-alpha.1", "images-v1.0.0-alpha.beta", "images-v1.0.0-beta"],
      ...["images-v1.0.0-beta.2", "images-v1.0.0-beta.11", "images-v1.0.0-rc.1", "images-v1.0.0"],
    ],
  ],
  ["numbers", ["images-9", "images-10", "images-10.1"]],
  ["dates", ["images-2026.05.06", "images-2026.05.06.1", "images-2026.05.06.2", "images-2026.05.10"]],
])("orders %s", (_, tags) => {
  expect(tags.toReversed().sort(compareTags)).toEqual(tags);
});

it("takes missing numbers for zeros, and leading zeros for nothing", () => {
  expect(compareTags("images-v1", "images-v1.0.0")).toBe(0);
  expect(compareTags("images-2026.05.06", "images-2026.5.6")).toBe(0);
});

it.each(["images-v", "images-latest", "images-v1x", "images-v1..2", "images-v1-", "images-v1.2-a..b"])(
  "finds no version in %s",
  (tag) => expect(hasVersion(tag)).toBe(false),
);

it("tells releases of images from others", () => {
  expect(familyOf("images-v0.0.15")).toBe("images-v");
  expect(familyOf("v1.2.3")).toBe("v");
});
