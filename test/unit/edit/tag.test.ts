import { expect, it } from "vitest";
import { withTag } from "../../../pipeline/edit/tag.ts";

const CONSTANT = 'export const IMAGES_RELEASE_TAG = "v1";\nconst FIRST_TAG = "v1";\n';

it("changes the constant, and nothing else that has the same value", () => {
  expect(withTag("images.ts", CONSTANT, "v1", "v2")).toBe(
    'export const IMAGES_RELEASE_TAG = "v2";\nconst FIRST_TAG = "v1";\n',
  );
});

it("changes the tag where the release is declared, if there is no constant", () => {
  expect(withTag("images.ts", 'new Release(app, "x", { tag: "v1" });', "v1", "v$&2")).toBe(
    'new Release(app, "x", { tag: "v$&2" });',
  );
});

it.each([`${CONSTANT}${CONSTANT}`, 'const tag = ["v", 1].join("");', 'const IMAGES_RELEASE_TAG = "v0";'])(
  "does not guess in %j",
  (text) => {
    expect(() => withTag("images.ts", text, "v1", "v2")).toThrow(
      'images.ts: neither `const IMAGES_RELEASE_TAG = "v1"` nor `tag: "v1"` is there exactly once: change the tag by hand to v2',
    );
  },
);
