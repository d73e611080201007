import { expect, it } from "vitest";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { placesOf, replaced } from "../../../pipeline/upstream/replace.ts";
import { declared } from "../../support/upstream/upstream.ts";

const flavor = Flavor.alpine({ version: "3.24", image: "x:1@sha256:".padEnd(75, "0") });
const project = (files: Readonly<Record<string, string>>) => declared({ flavor }, files);

it("looks in the declaration, in what it imports, and in the tool container; not in code", () => {
  const own = project({
    "images.ts": 'import { x } from "./constructs/index.ts";\nimport * as pins from "./lib/pins.ts";\n',
    "constructs/index.ts": "",
    "lib/pins.ts":
      'export * from "./more.ts";\nimport type { T } from "../images.ts";\nimport "../../out.ts";\n',
    "lib/more.ts": "",
    "dockerfiles/tools/Dockerfile": "",
  });
  expect(placesOf(own)).toEqual(["images.ts", "lib/pins.ts", "lib/more.ts", "dockerfiles/tools/Dockerfile"]);
});

it("does not guess which of two equal values is meant", () => {
  const own = project({ "images.ts": 'import "x" from "./pins.ts"; "24.1.0"', "pins.ts": '"24.1.0"' });
  expect(() => replaced(own, [{ find: '"24.1.0"', by: '"24.2.0"' }])).toThrow(
    'images.ts, pins.ts: `"24.1.0"` is there 2 times, not once: write the pin as one literal, or change it by hand to `"24.2.0"`',
  );
});

it("says where it has looked for a value that is put together from parts", () => {
  const own = project({ "images.ts": "const IMAGE = `x:${TAG}@$" + "{DIGEST}`;" });
  expect(() => replaced(own, [{ find: "x:1@sha256:0", by: "x:1@sha256:1", times: "all" }])).toThrow(
    expect.objectContaining({
      code: "pin-not-found",
      message: expect.stringContaining("images.ts: `x:1@sha256:0` is not there"),
    }),
  );
});

it("a mention may be missing", () => {
  const own = project({ "images.ts": '"a" "b"' });
  const texts = replaced(own, [
    { find: '"a"', by: '"c"' },
    { find: "nowhere", by: "x", times: "mention" },
  ]);
  expect([...texts]).toEqual([["images.ts", '"c" "b"']]);
});

it.each([
  ["a quote", '"v1"; stop(); ""'],
  ["a single quote", '"v1\'"'],
  ["a backslash", String.raw`"v1\x41"`],
  ["a dollar", '"v1${stop()}"'],
  ["a backtick", '"v1`"'],
  ["a line break", '"v1\n"'],
  ["a carriage return", '"v1\r"'],
  ["a line separator", '"v1\u2028"'],
  ["the end of a comment", '"v1*/stop()"'],
  ["a quote less", '"v1'],
])("a new value with %s is refused", (_, by) => {
  const own = project({ "images.ts": 'const A = "v0"; // "v0"' });
  for (const times of ["once", "all", "mention"] as const) {
    expect(() => replaced(own, [{ find: '"v0"', by, times }])).toThrow(
      expect.objectContaining({
        code: "upstream-unknown",
        message: expect.stringContaining("could become code; nothing was changed"),
      }),
    );
  }
});
