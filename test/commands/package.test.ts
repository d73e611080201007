import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { REPOSITORY } from "../support/project.ts";

const { exports } = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8"));
/** Only functions that are no part of an entry point name it. */
const INTERNAL = ["Cells"];

const namesIn = (list: string) =>
  list
    .split(",")
    .map((name) => name.replace(/^\s*type /, "").trim())
    .filter(Boolean);

/** What an entry point exports, and the declarations that this comes from. */
function readEntry(file: string, names = new Set<string>(), files = new Set<string>()) {
  const text = readFileSync(file, "utf8");
  const target = (from: string) => join(dirname(file), from.replace(/\.ts$/, ".d.ts"));
  for (const [, list = "", from = ""] of text.matchAll(/export (?:type )?\{([^}]*)\} from "([^"]+)"/g)) {
    for (const name of namesIn(list)) names.add(name);
    files.add(target(from));
  }
  for (const [, from = ""] of text.matchAll(/export \* from "([^"]+)"/g))
    readEntry(target(from), names, files);
  return { names, files };
}

describe.each([".", "./constructs", "./builder"])("the package's entry point %s", (entry) => {
  const { names, files } = readEntry(join(REPOSITORY, exports[entry].types));

  it("exports every type of this package that its signatures name", () => {
    expect(files.size).toBeGreaterThan(1);
    const missing = [...files].flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/import (?:type )?\{([^}]*)\} from "\.[^"]+"/g)]
        .flatMap(([, list = ""]) => namesIn(list))
        .filter((name) => !names.has(name) && !INTERNAL.includes(name)),
    );
    expect(missing).toEqual([]);
  });

  it("needs the types of no package that is not installed with it", () => {
    const seen = new Set<string>();
    const follow = (file: string): string[] => {
      if (seen.has(file)) return [];
      seen.add(file);
      const text = readFileSync(file, "utf8");
      const from = [...text.matchAll(/from "([^"]+)"/g)].map(([, path]) => path!);
      const own = from.filter((path) => path.startsWith("."));
      const others = from.filter((path) => !path.startsWith("."));
      return [
        ...others,
        ...(text.includes("NodeJS.") ? ["NodeJS"] : []),
        ...own.flatMap((path) => follow(join(dirname(file), path.replace(/\.ts$/, ".d.ts")))),
      ];
    };
    const packages = new Set(follow(join(REPOSITORY, exports[entry].types)));
    // Both bring their own types, and are dependencies.
    expect([...packages].filter((name) => !["zod", "constructs"].includes(name))).toEqual([]);
  });
});
