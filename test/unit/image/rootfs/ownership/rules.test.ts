import { describe, expect, it } from "vitest";
import { RULES } from "../../../../../pipeline/image/rootfs/ownership/account.ts";

const ALL = Object.entries(RULES).flatMap(([type, rules]) =>
  rules.map((rule): [string, (typeof rules)[number]] => [`${type} ${rule.by}: ${rule.paths}`, rule]),
);

describe.each(ALL)("the rule about scripts of %s", (_, { paths, target, reason }) => {
  it("is about whole paths and targets, and says why", () => {
    for (const { source, flags } of [paths, ...(target ? [target] : [])]) {
      expect(source).toMatch(/^\^/);
      expect(flags).toBe("");
    }
    expect(paths.source).toMatch(/\$$/);
    expect(paths.source).not.toMatch(/^\^\(?\//);
    expect(reason).toMatch(/^[a-z].*[^.]$/);
  });
});

it("no rule is there twice", () => {
  const keys = ALL.map(([name, { target }]) => `${name} ${target}`);
  expect(new Set(keys).size).toBe(keys.length);
});
