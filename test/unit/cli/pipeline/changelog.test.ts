import { describe, expect, it } from "vitest";
import { changelog, compared } from "../../../../pipeline/cli/pipeline/changelog.ts";
import type { CellContents } from "../../../../pipeline/release/diff/contents.ts";
import { diffReleases, type ReleaseDiff } from "../../../../pipeline/release/diff/diff.ts";
import { sampleCells } from "../../../support/tree.ts";

const cell = (id: string, size: number, more: Partial<CellContents> = {}): CellContents => ({
  id,
  assets: [
    { name: `${id}-rootfs.ext4.zst`, sha256: String(size), size, boot: { ms: size / 1e5, accel: "kvm" } },
  ],
  ...{ made_from: {}, packages: [], files: {} },
  ...more,
});

const A = {
  tag: "v1",
  cells: [
    cell("base-amd64-debian", 100e6, { made_from: { snapshot: "20261120T000000Z", uv: "1" } }),
    cell("codex-amd64-debian", 200e6, {
      made_from: { snapshot: "20261120T000000Z", "init/init": "e6055a40f075" },
      packages: [{ type: "npm", name: "@openai/codex", version: "0.168.0" }],
      files: { "usr/bin/node": 118e6, "opt/gone": 2e6 },
    }),
    cell("pi-amd64-debian", 1e6),
  ],
};
const B = {
  tag: "v2",
  cells: [
    cell("base-amd64-debian", 100e6, { made_from: { snapshot: "20261127T000000Z" } }),
    cell("codex-amd64-debian", 250e6, {
      made_from: { snapshot: "20261127T000000Z", "init/init": "9548024313a9" },
      packages: [
        { type: "npm", name: "@openai/codex", version: "0.169.0" },
        { type: "npm", name: "ws", version: "8.0.0" },
      ],
      files: { "usr/bin/node": 120e6, "opt/new": 1e6 },
    }),
    cell("hermes-amd64-debian", 1e6),
  ],
};
const REGRESSIONS = {
  size_percent: 10,
  boot_percent: 20,
  accepts: [{ cell: "codex-amd64-debian", what: "boot" as const, tag: "v2", reason: "more to load" }],
};

it("says what a reader of a release wants to know, once, in short lines", () => {
  const { text } = compared(A, B, { ...sampleCells(), regressions: REGRESSIONS });
  expect(text).toBe(`\
## Changes from v1 to v2

Cells: 1 changed, 1 added, 1 removed, 1 with the same bytes.

- Added: hermes on debian (amd64)
- Removed: pi on debian (amd64)

### Regressions

- \`codex-amd64-debian: size 200 MB -> 250 MB (+25.0 %, limit 10 %)\`,
  **not accepted**
- \`codex-amd64-debian: boot 2.0 s -> 2.5 s (+25.0 %, limit 20 %)\`,
  accepted: \`more to load\`

### Size and time to SSH login

| cell                 |   size |           | login |           |
| -------------------- | -----: | --------: | ----: | --------: |
| \`codex-amd64-debian\` | 250 MB | +25.0 % ! | 2.5 s | +25.0 % ! |

### Pins and recipe

- \`snapshot\` \`20261120T000000Z\` -> \`20261127T000000Z\`
  in base, codex on debian (amd64)
- \`uv\` removed: \`1\`
  in base on debian (amd64)
- \`init/init\`

### Packages

In codex on debian (amd64):

- npm \`@openai/codex\` \`0.168.0\` -> \`0.169.0\`
- npm \`ws\` added: \`8.0.0\`

### Largest changes of files

- \`opt/gone\` removed, 2 MB
  in codex on debian (amd64)
- \`usr/bin/node\` 118 MB -> 120 MB
  in codex on debian (amd64)
- \`opt/new\` added, 1 MB
  in codex on debian (amd64)
`);
});

it("says of releases with the same bytes only that", () => {
  expect(changelog(diffReleases(A, { ...A, tag: "v1b" }), [])).toBe(
    "## Changes from v1 to v1b\n\nCells: 0 changed, 0 added, 0 removed, 3 with the same bytes.\n",
  );
});

describe("what packages say", () => {
  const hostile = [
    "<img src=x>",
    "@everyone",
    "[a](https://example.com)",
    "`b` ``c``",
    "a | b",
    "x\n# y",
    "<!-- prepared 1 -->",
  ];
  const release = (tag: string, texts: readonly string[]) => ({
    tag,
    cells: [
      cell("x-amd64-y", 1, {
        packages: texts.map((name) => ({ type: "npm", name, version: name })),
        files: Object.fromEntries(texts.map((path) => [path, 1e6])),
        made_from: Object.fromEntries(texts.map((name) => [name, name])),
      }),
    ],
  });

  it("is code on one line, so neither markup nor a mention", () => {
    const text = changelog(diffReleases(release("v1", []), release("v2", hostile)), []);
    // Without code spans, nothing of it is left.
    const rest = text.replace(/(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)/g, "CODE");
    expect(rest).not.toMatch(/[<>@[\]`|]/);
    for (const each of ["img", "everyone", "example.com", "prepared"]) expect(rest).not.toContain(each);
    expect(rest.split("\n").filter((line) => line.startsWith("#"))).toEqual([
      "## Changes from v1 to v2",
      "### Pins and recipe",
      "### Packages",
      "### Largest changes of files",
    ]);
  });
});

it("is cut at the end of a line where GitHub would take no more, and says how all of it is printed", () => {
  const change = (at: number) => ({ type: "npm" as const, name: `package-${at}`, from: ["1"], to: ["2"] });
  const diff: ReleaseDiff = {
    ...diffReleases(A, A),
    packages: [{ cells: ["x"], changes: Array.from({ length: 5000 }, (_, at) => change(at)) }],
  };
  const text = changelog(diff, []);
  expect(text.length).toBeLessThan(101_000);
  const [last, empty, kept] = text.trimEnd().split("\n").reverse();
  expect([empty, kept]).toEqual(["", expect.stringMatching(/^- npm `package-\d+` `1` -> `2`$/)]);
  const [, more] = /^(\d+) more lines: `npx smolvm-images release diff v1 v1`$/.exec(last!) ?? [];
  expect(Number(more) + Number(/package-(\d+)/.exec(kept!)![1]) + 1).toBe(5000);
});
