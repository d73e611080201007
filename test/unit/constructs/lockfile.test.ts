import { describe, expect, it } from "vitest";
import {
  lockedVersion,
  lockfileErrors,
  lockfileOf,
  nodeRange,
} from "../../../pipeline/constructs/lockfile.ts";

const LOCK = "dockerfiles/tool/package-lock.json";
const files = (packages: unknown, manifest: string | undefined = "{}", version: unknown = 3) => {
  const text = JSON.stringify({ lockfileVersion: version, packages });
  return (path: string) => ({ [LOCK]: text, "dockerfiles/tool/package.json": manifest })[path];
};
const TOOL = { version: "1.2.3", integrity: "sha512-x" };
const SOUND = { "": { name: "root" }, "node_modules/tool": TOOL };
const errors = (packages: unknown, ...more: [string?]) =>
  lockfileErrors(files(packages, ...more), LOCK, "tool");

describe("a lockfile", () => {
  it("lies beside the manifest of its preset", () => {
    expect(lockfileOf("tool")).toBe(LOCK);
  });

  it("says at which version a package is locked, and which Node it wants", () => {
    const wanting = files({ ...SOUND, "node_modules/tool": { ...TOOL, engines: { node: ">=22" } } });
    expect(lockedVersion(wanting, LOCK, "tool")).toBe("1.2.3");
    expect(nodeRange(wanting, LOCK, "tool")).toBe(">=22");
    expect(lockedVersion(wanting, LOCK, "other")).toBeUndefined();
  });

  it.each([
    ["is not locked", SOUND, "other"],
    ["says nothing of engines", SOUND, "tool"],
    ["says nothing of Node", { "node_modules/tool": { ...TOOL, engines: { npm: "11" } } }, "tool"],
    // Old packages have a list there, which npm ignores.
    ["has engines of another form", { "node_modules/tool": { ...TOOL, engines: ["node >= 0.8"] } }, "tool"],
  ])("has any Node serve a package that %s", (_, packages, name) => {
    expect(nodeRange(files(packages), LOCK, name)).toBe("*");
  });

  it("has no errors where every package has its hash, and its bundled ones need none", () => {
    const bundled = { "node_modules/tool/node_modules/part": { version: "1.0.0", inBundle: true } };
    expect(errors({ ...SOUND, ...bundled })).toEqual([]);
  });

  it.each<[string, object, string]>([
    ["has no hash", { version: "1.0.0" }, "has no integrity hash"],
    ["has an empty hash", { version: "1.0.0", integrity: "" }, "has no integrity hash"],
    ["is a link, whatever hash it has", { ...TOOL, link: true }, "has no integrity hash"],
    [
      "names where it comes from",
      { ...TOOL, resolved: "https://r.example/x.tgz" },
      "has the address of a registry",
    ],
  ])("names each package that %s", (_, entry, what) => {
    const found = errors({ ...SOUND, "node_modules/a": entry, "node_modules/b": entry });
    expect(found).toHaveLength(2);
    expect(found[0]).toContain(`${LOCK}: node_modules/a ${what}`);
    expect(found[1]).toContain(`${LOCK}: node_modules/b ${what}`);
  });

  it("says how addresses are kept out of it", () => {
    const entry = { ...TOOL, resolved: "https://r.example/x.tgz" };
    expect(errors({ ...SOUND, "node_modules/a": entry }).join()).toContain("omit-lockfile-registry-resolved");
  });

  it.each([
    ["another package", { "": {}, "node_modules/tools": TOOL }],
    ["its package without a version", { "": {}, "node_modules/tool": { integrity: "sha512-x" } }],
  ])("that locks %s says so", (_, packages) => {
    expect(errors(packages)).toEqual([`${LOCK} does not lock tool`]);
  });

  it("is named when it is missing, or none of npm's, and so is what must be beside it", () => {
    expect(lockfileErrors(() => undefined, LOCK, "tool")).toEqual([
      expect.stringContaining(`${LOCK} is missing`),
    ]);
    expect(() => lockedVersion(() => undefined, LOCK, "tool")).toThrow(`${LOCK} is missing`);
    const old = files(SOUND, "{}", 1);
    expect(lockfileErrors(old, LOCK, "tool")).toEqual([
      `${LOCK} is not a package-lock.json of lockfileVersion 3`,
    ]);
    expect(() => nodeRange(old, LOCK, "tool")).toThrow(`${LOCK} is not a package-lock.json`);
    const alone = (path: string) => (path === LOCK ? files(SOUND)(LOCK) : undefined);
    expect(lockfileErrors(alone, LOCK, "tool")).toEqual([
      expect.stringContaining("dockerfiles/tool/package.json is missing"),
    ]);
  });

  it("of which reading fails is no lockfile with errors", () => {
    const failing = () => {
      throw new Error("EACCES");
    };
    expect(() => lockfileErrors(failing, LOCK, "tool")).toThrow("EACCES");
  });
});
