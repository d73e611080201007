import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkBudget } from "../../../../pipeline/image/rootfs/budget.ts";
import {
  checkVersions,
  compareListing,
  readListing,
  recordListing,
} from "../../../../pipeline/image/rootfs/listing.ts";
import type { LicensedPackage } from "../../../../pipeline/image/rootfs/packages.ts";
import type { BaseCell } from "../../../../pipeline/schema/cells.ts";
import type { Listing } from "../../../../pipeline/schema/listing.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import { tempDirectory } from "../../../support/run.ts";

const ID = "base-amd64-alpine";
const CELL = { id: ID } as BaseCell;
const apk = (name: string, version: string): LicensedPackage => ({
  type: "apk",
  name,
  version,
  license: [],
});
const contents = (...packages: LicensedPackage[]) => ({
  packages,
  sbom: "{}",
  size: 3e6,
  files: { "usr/b": 2e6, "usr/a": 1e6 },
});

function errorOf(work: () => unknown): PipelineError {
  try {
    work();
  } catch (error) {
    if (error instanceof PipelineError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("a listing", () => {
  it("is read as it was recorded, and undefined where nothing was", async () => {
    const root = tempDirectory();
    expect(await readListing(root, ID)).toBeUndefined();
    await recordListing(root, ID, contents(apk("musl", "1.2.5-r9")));
    expect(await readListing(root, ID)).toEqual({
      ...{ schema_version: 1, id: ID, content_size: 3e6, packages: ["apk musl 1.2.5-r9"] },
      files: { "usr/a": 1e6, "usr/b": 2e6 },
    });
  });

  it("that is damaged is named, with what to do", async () => {
    const root = tempDirectory();
    mkdirSync(join(root, "listings"));
    writeFileSync(join(root, `listings/${ID}.json`), "{ half");
    await expect(readListing(root, ID)).rejects.toThrow(
      `listings/${ID}.json is not a valid listing (it is not JSON: Expected property name`,
    );
  });
});

describe("the versions of apk's packages", () => {
  const listing = (...packages: string[]): Listing => ({
    ...{ schema_version: 1, id: ID, content_size: 1, files: {} },
    packages,
  });

  it("are what was recorded", () => {
    expect(
      checkVersions(CELL, contents(apk("musl", "1.2.5-r9")), listing("apk musl 1.2.5-r9", "npm a 1.0.0")),
    ).toBe(true);
  });

  it("are not fixed where nothing was recorded, and need not be where there is no apk", () => {
    expect(checkVersions(CELL, contents(apk("musl", "1.2.5-r9")), undefined)).toBe(false);
    const deb: LicensedPackage = { type: "deb", name: "bash", version: "5", license: [] };
    expect(checkVersions(CELL, contents(deb), undefined)).toBe(true);
  });

  it("are refused by name where they differ", () => {
    const now = contents(apk("musl", "1.2.5-r10"), apk("new", "1-r0"));
    const error = errorOf(() => checkVersions(CELL, now, listing("apk gone 1-r0", "apk musl 1.2.5-r9")));
    expect(error.message).toContain(`apk resolved other versions than those in listings/${ID}.json`);
    expect(error.message).toContain(`npx smolvm-images cell ${ID} --record`);
    expect(error.details).toEqual([
      ...["gone 1-r0", "musl 1.2.5-r9"].map((each) => `- recorded: apk ${each}`),
      ...["musl 1.2.5-r10", "new 1-r0"].map((each) => `- resolved: apk ${each}`),
    ]);
  });
});

describe("what is in an image, compared with what was recorded of its cell", () => {
  const options = { record: false, versions: true };

  it("is not agreed upon where versions count and none are recorded", async () => {
    const root = tempDirectory();
    const musl = contents(apk("musl", "1.2.5-r10"));
    expect(await compareListing(root, CELL, musl, options)).toEqual({ listing: undefined, agreed: false });
    expect((await compareListing(root, CELL, musl, { ...options, versions: false })).agreed).toBe(true);
  });

  it("is agreed upon once it is recorded, and refused where its versions have changed since", async () => {
    const root = tempDirectory();
    const recorded = await compareListing(root, CELL, contents(apk("musl", "1.2.5-r9")), {
      ...{ record: true, versions: true },
    });
    expect(recorded).toMatchObject({ agreed: true, listing: { packages: ["apk musl 1.2.5-r9"] } });
    const other = contents(apk("musl", "1.2.5-r10"));
    await expect(compareListing(root, CELL, other, options)).rejects.toThrow("apk resolved other versions");
    expect((await compareListing(root, CELL, other, { ...options, versions: false })).agreed).toBe(true);
  });
});

describe("a budget", () => {
  const files = Object.fromEntries(
    Array.from({ length: 12 }, (_, index) => [`opt/${index}`, (index + 1) * 1e6]),
  );
  const spent = { what: "its files", bytes: 78e6, files };
  const before: Listing = {
    schema_version: 1,
    id: ID,
    content_size: 1,
    packages: [],
    files: { "opt/11": 11.5e6 },
  };

  it("lets an image be as large as it says", () => {
    expect(() => checkBudget({ ...spent, limit: 78e6 }, undefined)).not.toThrow();
  });

  it("refuses a larger one with the ten largest additions since it was listed", () => {
    const error = errorOf(() => checkBudget({ ...spent, limit: 77.9e6 }, before));
    expect(error.message).toMatch(
      /^its files take 78\.0 MB, but the budget is 77\.9 MB: .*raise budget in images\.ts; the files that grew most since/,
    );
    expect(error.details).toHaveLength(10);
    expect(error.details[0]).toBe("-   11.0 MB  opt/10");
    // What was there before counts by what it grew.
    expect(error.details.join("\n")).not.toContain("opt/11");
  });

  it("refuses it with its largest files where it was never listed", () => {
    const { message, details } = errorOf(() => checkBudget({ ...spent, limit: 1 }, undefined));
    expect(message).toContain("its largest files (it has no recorded listing)");
    expect(details[0]).toBe("-   12.0 MB  opt/11");
  });

  it("names only what has grown, those that are as large by their paths", () => {
    const now = {
      "opt/b": 2e6,
      "opt/d": 2e6,
      "opt/a": 2e6,
      "opt/c": 3e6,
      "opt/same": 5e6,
      "opt/smaller": 5e6,
    };
    const listing = { ...before, files: { "opt/same": 5e6, "opt/smaller": 6e6, "opt/c": 1.5e6 } };
    const { details } = errorOf(() => checkBudget({ ...spent, files: now, limit: 1 }, listing));
    expect(details).toEqual([
      ...["a", "b", "d"].map((name) => `-    2.0 MB  opt/${name}`),
      "-    1.5 MB  opt/c",
    ]);
  });
});
