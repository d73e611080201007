import { expect, it } from "vitest";
import { checkNewTag, checkUnused } from "../../../pipeline/release/new-tag.ts";
import type { ReleaseStore, StoredRelease } from "../../../pipeline/stores/store.ts";

it.each(["images-v0.0.16", "images-v0.1.0", "images-v1.0.0-rc.1", "images-v0.0.15.1"])(
  "%s can follow",
  (tag) => {
    expect(() => checkNewTag(tag, "images-v0.0.15")).not.toThrow();
  },
);

it.each([
  ["images-v0.0.15", "is not newer than the present tag, images-v0.0.15: choose a higher version"],
  ["images-v0.0.9", "is not newer than the present tag, images-v0.0.15: choose a higher version"],
  ["images-v0.0.15-rc.1", "is not newer than the present tag, images-v0.0.15: choose a higher version"],
  ["v0.0.16", "is not a tag like the present one, images-v0.0.15: write images-v and a version"],
  ["images-v", "is not a tag like the present one, images-v0.0.15: write images-v and a version"],
  ["images-v0.0.16 ", "is not a tag like the present one"],
  ["images-v1/2", "is not a tag like the present one"],
  ["images-vnext", "is not a tag like the present one"],
  ["", "is not a tag like the present one"],
])("%j cannot", (tag, reason) => {
  expect(() => checkNewTag(tag, "images-v0.0.15")).toThrow(reason);
});

it("a tag without a version can be followed by one with", () => {
  expect(() => checkNewTag("nightly-1", "nightly-")).not.toThrow();
});

const store = (...releases: readonly Partial<StoredRelease>[]) =>
  ({ name: "example/images on GitHub", list: async () => releases }) as unknown as ReleaseStore;

it.each([
  ["published", "images-v0.0.16: example/images on GitHub has it already (https://x): choose a newer tag"],
  [
    "draft",
    "images-v0.0.16: example/images on GitHub has a draft of it already (https://x): choose a newer tag",
  ],
] as const)("a tag that is %s is refused", async (state, message) => {
  const there = store({ tag: "images-v0.0.15" }, { tag: "images-v0.0.16", state, url: "https://x" });
  await expect(checkUnused("images-v0.0.16", there)).rejects.toMatchObject({
    code: "release-published",
    message,
  });
  await checkUnused("images-v0.0.17", there);
});
