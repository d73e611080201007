import { describe, expect, it } from "vitest";
import {
  APT_LIVE,
  bootsNotReached,
  bootsOther,
  checkDeclared,
  inputsWith,
  isCurrent,
  isOfInputs,
  notDeclared,
  overridesOf,
  unproven,
} from "../../../pipeline/plan/freshness.ts";
import { readCells } from "../../../pipeline/runtime/read-cells.ts";
import type { CellOptions, Workshop } from "../../../pipeline/runtime/workshop.ts";
import { DEFAULT_LEVEL } from "../../../pipeline/schema/defaults.ts";
import type { Facts } from "../../../pipeline/schema/facts.ts";
import { PipelineError } from "../../../pipeline/util/error.ts";
import { REPOSITORY } from "../../support/project.ts";

const cells = { ...readCells(REPOSITORY), accepts: [APT_LIVE] };
const [cell, other] = cells.cells as [(typeof cells.cells)[0], (typeof cells.cells)[0]];

const options = (more: Partial<CellOptions> = {}) => ({ level: DEFAULT_LEVEL, ...more }) as CellOptions;
const rootfs = (from: string, sha256?: string, flavor?: string) => [{ from, sha256, flavor }];
/** Facts of the cell's present inputs, with what was overridden. */
const facts = (...overrides: string[]) =>
  ({ inputs: inputsWith(cell, overrides), overrides }) as unknown as Facts;

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
      /^not as declared: level=3, rootfs=x; what is published is made from what is declared.*accept it$/,
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

describe("what was made before", () => {
  it("is of the cell's inputs with what was overridden, or of others", () => {
    expect(isOfInputs(facts(), cell)).toBe(true);
    expect(isOfInputs(facts("level=3"), cell)).toBe(true);
    expect(isOfInputs({ ...facts(), overrides: ["level=3"] }, cell)).toBe(false);
    expect(isOfInputs(facts(), other)).toBe(false);
  });

  it("is current when the user asks for the same again", () => {
    expect(isCurrent(facts(), cell, [])).toBe(true);
    expect(isCurrent(facts("level=3", "rootfs=x"), cell, ["level=3", "rootfs=x"])).toBe(true);
    expect(isCurrent(facts("SOURCE_DATE_EPOCH=7"), cell, ["SOURCE_DATE_EPOCH=7"])).toBe(true);
  });

  it("is current whatever the network did then", () => {
    expect(isCurrent(facts(APT_LIVE, "level=3"), cell, ["level=3"])).toBe(true);
    expect(isCurrent(facts(APT_LIVE), cell, [])).toBe(true);
    expect(isCurrent(facts("my-level=3"), cell, [])).toBe(true);
  });

  it("is not current when there is nothing, of other inputs, or of other wishes", () => {
    expect(isCurrent(undefined, cell, [])).toBe(false);
    expect(isCurrent(facts(), other, [])).toBe(false);
    expect(isCurrent(facts(), cell, ["level=3"])).toBe(false);
    expect(isCurrent(facts("level=3"), cell, [])).toBe(false);
    expect(isCurrent(facts("level=3"), cell, ["level=4"])).toBe(false);
    expect(isCurrent(facts("rootfs=a", "level=3"), cell, ["level=3"])).toBe(false);
    // Two wishes are not one that is written alike.
    expect(isCurrent(facts("level=3", "rootfs=x"), cell, ["level=3rootfs=x"])).toBe(false);
  });
});
