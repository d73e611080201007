import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { typecheck } from "../../../pipeline/synth/typecheck.ts";
import { PipelineError } from "../../../pipeline/util/error.ts";
import { tempDirectory } from "../../support/run.ts";
import { Copy } from "../../support/synth-copy.ts";

describe("TypeScript's view of a declaration", () => {
  /** The lines in which it is said what is wrong with these files. */
  async function errorsOf(files: Record<string, string>, file = "pipeline/images.ts"): Promise<string[]> {
    const root = tempDirectory();
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    try {
      await typecheck(root, file);
      return [];
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error;
      return [error.message, ...error.details];
    }
  }
  const PROPS =
    "interface Props { readonly name: string; readonly refuses?: string }\nconst f = (p: Props) => p;\n";

  it("has nothing to say of what is right, whatever the project's own configuration says", async () => {
    const images = `${PROPS}export const x = f({ name: "x" });\n`;
    expect(await errorsOf({ "pipeline/images.ts": images, "tsconfig.json": "{ nonsense" })).toEqual([]);
  });

  it("is file, line, column and reason in one line", async () => {
    expect(await errorsOf({ "pipeline/images.ts": `${PROPS}f({ name: "x", refuse: "" });\n` })).toEqual([
      expect.stringMatching(
        /^pipeline\/images\.ts:3:16: [^\n]*'refuse' does not exist in type 'Props'[^\n]*$/,
      ),
    ]);
  });

  it("is a list where it is more than one thing, also of a file that is imported", async () => {
    const errors = await errorsOf({
      "pipeline/images.ts": `import "./pins.ts";\n${PROPS}f({ name: 1 });\nf({ name: undefined });\n`,
      "pipeline/pins.ts": "export const pin: string = {\n  a: { b: 1 },\n};\n",
    });
    expect(errors).toEqual([
      "pipeline/images.ts has 3 errors of TypeScript; no file was written",
      expect.stringMatching(
        /^- pipeline\/images\.ts:4:5: Type 'number' is not assignable to type 'string'\.$/,
      ),
      expect.stringMatching(/^- pipeline\/images\.ts:5:5: Type 'undefined' is not assignable/),
      expect.stringMatching(/^- pipeline\/pins\.ts:1:14: Type '.*' is not assignable to type 'string'\.$/),
    ]);
  });

  it("is in one line where TypeScript explains in several", async () => {
    const text = "export const x: { a: { b: string } } = {} as { a: { b: number } };\n";
    const [error, ...others] = await errorsOf({ "pipeline/images.ts": text });
    expect(others).toEqual([]);
    expect(error).toMatch(
      /^pipeline\/images\.ts:1:14: [^\n]* Type 'number' is not assignable to type 'string'\.$/,
    );
  });

  it("is a syntax error, too", async () => {
    const [error] = await errorsOf({ "pipeline/images.ts": "export const x = Object(\n" });
    expect(error).toMatch(/^pipeline\/images\.ts:2:1: '\)' expected\.$/);
  });

  it("is one line also where TypeScript itself fails", async () => {
    const [error] = await errorsOf({ images: "" }, "images");
    expect(error).toMatch(/^TypeScript cannot check images: [^\n]+$/);
  });
});

// The command line itself: what is said of a declaration, in a copy of the sample tree.
const copied = test.extend<{ copy: Copy }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants the fixtures that this one uses, and there are none.
  copy: async ({}, use) => {
    const copy = new Copy();
    await use(copy);
    copy.remove();
  },
});

describe.concurrent("a declaration that cannot be run", () => {
  copied.for<[string, string[], (text: string) => string, RegExp]>([
    [
      "has a misspelt prop",
      ["synth"],
      (text) => text.replace("refuses: {", "refuse: {"),
      /^error: pipeline\/images\.ts:\d+:5: [^\n]*'refuse' does not exist in type 'PresetLayerProps'[^\n]*\n$/,
    ],
    [
      "throws while it declares",
      ["synth", "--check"],
      (text) => text.replace("const packages =", "JSON.parse('{');\n  const packages ="),
      /^error: pipeline\/images\.ts:\d+:8: SyntaxError: [^\n]*JSON[^\n]*\n$/,
    ],
    [
      "throws while it is loaded",
      ["diff"],
      (text) => `${text}throw new TypeError("at\\nonce");\n`,
      /^error: pipeline\/images\.ts:\d+:7: TypeError: at once\n$/,
    ],
    [
      "has props that TypeScript was told not to look at",
      ["synth", "--stdout"],
      (text) => text.replace("tag: IMAGES_RELEASE_TAG,", '...({ tagg: "x" } as object as { tag: string }),'),
      /^error: the tree has 2 errors; none of its files was written\n- sample: tag is missing\n- sample: unknown prop "tagg"\n$/,
    ],
  ])(
    "because it %s, is one line of %j with the place, and exit code 2",
    async ([, args, edit, message], { copy, expect }) => {
      const text = copy.read("pipeline/images.ts");
      expect(edit(text)).not.toBe(text);
      copy.write("pipeline/images.ts", edit(text));
      const before = copy.files();
      const { exitCode, stdout, stderr } = await copy.run(args);
      expect(stderr).toMatch(message);
      expect([exitCode, stdout]).toEqual([2, ""]);
      expect(copy.files()).toEqual(before);
    },
  );
});
