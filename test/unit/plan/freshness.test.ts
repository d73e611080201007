import { describe, expect, it } from "vitest";
import {
  APT_LIVE,
  bootsNotReached,
  bootsOther,
  checkDeclared,
  type Freshness,
  freshnessOf,
  inputsWith,
  leastFresh,
  notDeclared,
  overridesOf,
  unproven,
} from "../../../pipeline/plan/freshness.ts";
import { readCells } from "../../../pipeline/runtime/read-cells.ts";
import type { CellOptions, Workshop } from "../../../pipeline/runtime/workshop.ts";
import { DEFAULT_LEVEL } from "../../../pipeline/schema/defaults.ts";
import type { Facts } from "../../../pipeline/schema/facts.ts";
import { PipelineError } from "../../../pipeline/util/error.ts";
import { factsOf } from "../../support/github/staging.ts";
import { REPOSITORY } from "../../support/project.ts";

const cells = { ...readCells(REPOSITORY), accepts: [APT_LIVE] };
const [cell, other] = cells.cells as [(typeof cells.cells)[0], (typeof cells.cells)[0]];

const options = (more: Partial<CellOptions> = {}) => ({ level: DEFAULT_LEVEL, ...more }) as CellOptions;
const rootfs = (from: string, sha256?: string, flavor?: string) => [{ from, sha256, flavor }];
/** Facts of the cell's present inputs, with what was overridden. */
const facts = (...overrides: string[]): Facts => ({
  ...factsOf(cell, cell.assets[0]!),
  inputs: inputsWith(cell, overrides),
  overrides,
});

describe("what a user overrides", () => {
  it("is nothing where it is as declared", () => {
    expect(overridesOf(cells, options(), "ubuntu")).toEqual([]);
    expect(overridesOf(cells, options({ epoch: cells.source_date_epoch }), "ubuntu")).toEqual([]);
  });

  it.each<[string, Partial<CellOptions>, string]>([
    ["the level", { level: 3 }, "level=3"],
    ["a base's first files", { rootfs: rootfs("./x.tar") }, "rootfs=./x.tar"],
    ["them by what they hold", { rootfs: rootfs("./x.tar", "abc") }, "rootfs=abc"],
    ["the time of files", { epoch: 7 }, "SOURCE_DATE_EPOCH=7"],
    ["it to 1970", { epoch: 0 }, "SOURCE_DATE_EPOCH=0"],
  ])("%s is named", (_, more, override) => {
    expect(overridesOf(cells, options(more), "ubuntu")).toEqual([override]);
  });

  it("is of the flavor that it names, before what is for all of them", () => {
    const given = { rootfs: [...rootfs("all"), ...rootfs("mine", undefined, "alpine")] };
    const of = (flavor: string) => overridesOf(cells, options(given), flavor);
    expect([of("alpine"), of("ubuntu")]).toEqual([["rootfs=mine"], ["rootfs=all"]]);
    expect(overridesOf(cells, options({ rootfs: given.rootfs.slice(1) }), "ubuntu")).toEqual([]);
  });

  it("is named in one order", () => {
    const all = options({ level: 3, epoch: 7, rootfs: rootfs("x") });
    expect(overridesOf(cells, all, "ubuntu")).toEqual(["level=3", "rootfs=x", "SOURCE_DATE_EPOCH=7"]);
  });

  it("gives the cell other inputs, different ones each time", () => {
    expect(inputsWith(cell, [])).toBe(cell.inputs);
    const inputs = [
      inputsWith(cell, ["level=3"]),
      inputsWith(cell, ["level=4"]),
      inputsWith(other, ["level=3"]),
    ];
    expect(new Set([cell.inputs, ...inputs]).size).toBe(4);
    for (const hash of inputs) expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("a cell that must be made as declared", () => {
  const workshop = (asDeclared: boolean | undefined) =>
    ({ options: { asDeclared }, cells }) as unknown as Workshop;

  it("may be what the tree accepts, and nothing else", () => {
    expect(() => checkDeclared(workshop(true), [])).not.toThrow();
    expect(() => checkDeclared(workshop(true), [APT_LIVE])).not.toThrow();
    expect(() => checkDeclared(workshop(true), [APT_LIVE, "level=3", "rootfs=x"])).toThrow(
      /^not as declared: level=3, rootfs=x: run it again .* add this to `accepts` of the Release in images\.ts$/,
    );
  });

  it("may be anything where nobody asks for that", () => {
    expect(() => checkDeclared(workshop(undefined), ["level=3"])).not.toThrow();
    expect(() => checkDeclared(workshop(false), ["level=3"])).not.toThrow();
  });
});

it("what could not be proven of an asset is told by flavor, and apart from the rest", () => {
  const overrides = [APT_LIVE, bootsNotReached("alpine"), "my-boots=x"];
  expect(unproven({ overrides } as unknown as Facts)).toEqual(["boots=alpine: not reached"]);
});

it("facts name what was not as declared in words that older ones have, too", () => {
  const rootfs = { from: "./x.tar", sha256: undefined, flavor: "alpine" };
  expect([APT_LIVE, bootsNotReached("alpine"), bootsOther("alpine", rootfs)]).toEqual([
    ...["apt=live", "boots=alpine: not reached", "boots=alpine: rootfs=./x.tar"],
  ]);
  expect(bootsOther("alpine", { ...rootfs, sha256: "abc" })).toBe("boots=alpine: rootfs=abc");
  expect(notDeclared(["level=3"])).toBeInstanceOf(PipelineError);
});

describe("what is staged", () => {
  const state = (of: Facts | undefined, asked?: readonly string[], which = cell) =>
    freshnessOf(cells, which, of, asked).state;

  // The tree accepts apt=live, and nothing else.
  it.each<[string, Facts | undefined, readonly string[] | undefined, Freshness["state"]]>([
    ["nothing", undefined, undefined, "missing"],
    ["nothing, whatever is asked for", undefined, ["level=3"], "missing"],
    ["what is declared", facts(), undefined, "fresh"],
    ["what is declared, asked for as declared", facts(), [], "fresh"],
    ["with what the tree accepts", facts(APT_LIVE), undefined, "fresh"],
    ["with what the network has overridden and the tree accepts", facts(APT_LIVE), [], "fresh"],
    ["with what the network has overridden", facts("my-level=3"), [], "undeclared"],
    ["with an option", facts("level=3"), undefined, "undeclared"],
    ["with the option that is asked for again", facts("level=3"), ["level=3"], "undeclared"],
    ["with both of two", facts("level=3", "rootfs=x"), ["level=3", "rootfs=x"], "undeclared"],
    [
      ...(["with another instant", facts("SOURCE_DATE_EPOCH=7"), ["SOURCE_DATE_EPOCH=7"]] as const),
      "undeclared",
    ],
    ["with an option, and what the network did", facts(APT_LIVE, "level=3"), ["level=3"], "undeclared"],
    ["with an option that is not asked for", facts("level=3"), [], "other-options"],
    ["without the option that is asked for", facts(), ["level=3"], "other-options"],
    ["with another level", facts("level=3"), ["level=4"], "other-options"],
    ["with one option too many", facts("rootfs=a", "level=3"), ["level=3"], "other-options"],
    // Two wishes are not one that is written alike.
    ["with two in place of one", facts("level=3", "rootfs=x"), ["level=3rootfs=x"], "other-options"],
    ["of other overrides than it says", { ...facts(), overrides: ["level=3"] }, undefined, "stale"],
    ["of other overrides, asked for so", { ...facts(), overrides: ["level=3"] }, ["level=3"], "stale"],
    ["of other inputs, which the tree accepts", { ...facts(), overrides: [APT_LIVE] }, undefined, "stale"],
  ])("%s: %j, asked for %j, is %s", (_, of, asked, expected) => {
    expect(state(of, asked)).toBe(expected);
  });

  it("is stale for another cell, whatever is asked for", () => {
    expect([state(facts(), undefined, other), state(facts(), [], other)]).toEqual(["stale", "stale"]);
  });

  it("says with what it is not as declared", () => {
    const found = freshnessOf(cells, cell, facts(APT_LIVE, "level=3", "boots=alpine: not reached"));
    expect(found).toMatchObject({ refused: ["level=3", "boots=alpine: not reached"] });
  });

  it("of a cell with several assets is as fresh as the worst of them", () => {
    const all = [facts(), facts("level=3"), { ...facts(), inputs: "0".repeat(64) }, undefined].map((each) =>
      freshnessOf(cells, cell, each),
    );
    const worst = (count: number) => leastFresh(all.slice(0, count)).state;
    expect([1, 2, 3, 4].map(worst)).toEqual(["fresh", "undeclared", "stale", "missing"]);
    expect(leastFresh([...all].reverse()).state).toBe("missing");
  });
});
