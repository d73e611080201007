import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FINDINGS } from "../../pipeline/image/rootfs/findings.ts";
import { ERROR_CODES } from "../../pipeline/util/error-codes.ts";
import { GUEST_FINDINGS } from "../../pipeline/vm/proof/guest-audit.ts";
import { REPOSITORY } from "../support/project.ts";

const KINDS: readonly (readonly [heading: string, meanings: Readonly<Record<string, string>>])[] = [
  ["# Errors", ERROR_CODES],
  ["## Findings of the image's audit", FINDINGS],
  ["## Findings of the guest's audit", GUEST_FINDINGS],
];

/** The rows of the table below a heading of `docs/errors.md`: what is in its first column, and in its second. */
function rowsBelow(heading: string): [string, string][] {
  const page = readFileSync(join(REPOSITORY, "docs/errors.md"), "utf8");
  const section = page.split(/^(?=#)/m).find((each) => each.startsWith(`${heading}\n`)) ?? "";
  return [...section.matchAll(/^\| `(.+?)` \| (.+) \|$/gm)].map(([, id, meaning]) => [id!, meaning!]);
}

it.each(KINDS)(
  "docs/errors.md, %s: has each id of the source, with its meaning, and no other",
  (heading, meanings) => {
    expect(rowsBelow(heading)).toEqual(Object.entries(meanings));
  },
);

it.each(KINDS)("%s: each id is a few lower-case words, and its meaning a sentence", (_, meanings) => {
  for (const [id, meaning] of Object.entries(meanings)) {
    expect(id).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(meaning).toMatch(/^(`\/?[a-z].*|[A-Z].*)\.$/);
  }
});

it("each code and each finding is one that something in the source gives", () => {
  const text = readdirSync(join(REPOSITORY, "pipeline"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !/(error-codes|findings)\.ts$/.test(path))
    .map((path) => readFileSync(join(REPOSITORY, "pipeline", path), "utf8"))
    .join("\n");
  const ids = KINDS.flatMap(([, meanings]) => Object.keys(meanings));
  expect(ids.filter((id) => !text.includes(`"${id}"`) || !new RegExp(`"${id}"(?!:)`).test(text))).toEqual([]);
});
