import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DECLARATIONS } from "../schema/cells.ts";
import { type Change, filesIn } from "../synth/project.ts";
import { PipelineError } from "../util/error.ts";
import { PACKAGE } from "../util/package.ts";
import type { Run } from "../util/progress.ts";
import { addPreset, type Edit, over } from "./preset.ts";
import type { Spec } from "./spec.ts";

export interface InitOptions {
  /** `owner/name` of the GitHub repository where the images will be published. */
  readonly repository: string;
  /** The first preset: its name, and the npm package. */
  readonly preset: { readonly name: string; readonly package: Spec };
}

/** The npm scripts of a new project: `npm run <verb>` runs `smolvm-images <verb>`. */
const SCRIPTS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["synth", "diff", "list", "plan", "cell", "release", "repro", "preset", "bump", "drift", "doctor"].map(
      (verb) => [verb, `smolvm-images ${verb}`],
    ),
  ),
  test: "smolvm-images synth --check",
};
/** The test script that `npm init` writes. It is replaced. */
const NO_TEST = /no test specified/;

/**
 * The changes that turn a directory with this package installed into a project with one base and one preset: a declaration
 * and its generated files. Existing files are kept; package.json gets the missing scripts.
 * @throws PipelineError when there is no package.json, or the directory declares images already
 */
export async function initProject(
  root: string,
  { repository, preset }: InitOptions,
  run: Run,
): Promise<Edit> {
  const files = filesIn(root);
  const manifest = files("package.json");
  if (manifest === undefined) {
    throw new PipelineError(`${root} has no package.json`, {
      fix: "run `npm install --save-prod smolvm-images` there first",
    });
  }
  for (const path of [...DECLARATIONS, "pins.ts"]) {
    if (files(path) === undefined) continue;
    throw new PipelineError(`${path} exists already`, { fix: "choose a directory without images" });
  }
  const own: Change[] = [
    { path: "package.json", before: manifest, after: withScripts(manifest) },
    { path: "images.ts", before: undefined, after: template("images.ts").replace("OWNER/NAME", repository) },
    { path: "pins.ts", before: undefined, after: pins() },
    ...[
      ["tsconfig.json", "tsconfig.json"],
      ["README.md", "README.md"],
      [".gitignore", "gitignore"],
    ].flatMap(([path = "", from = ""]) =>
      files(path) === undefined ? [{ path, before: undefined, after: template(from) }] : [],
    ),
  ];
  const project = { root, declaration: "images.ts" };
  const added = await addPreset(project, preset.name, preset.package, {}, run, over(files, own));
  const later = new Map(added.pending.map((change) => [change.path, change]));
  const first = own.map((change) => ({ ...change, after: later.get(change.path)?.after ?? change.after }));
  const rest = added.pending.filter(({ path }) => !own.some((change) => change.path === path));
  return { pending: [...first, ...rest], notes: added.notes };
}

const template = (name: string): string => readFileSync(join(PACKAGE, "template", name), "utf8");

/** A copy of this package's pins (digests and versions), which the project then maintains itself. */
const pins = (): string =>
  readFileSync(join(PACKAGE, "pipeline/pins.ts"), "utf8").replace(
    /"\.\/constructs\/index\.ts"/,
    '"smolvm-images/constructs"',
  );

/** package.json with our scripts and `"type": "module"`. Existing scripts are kept. @throws PipelineError when it is not JSON */
function withScripts(text: string): string {
  let manifest: { type?: string; scripts?: Record<string, string> };
  try {
    manifest = JSON.parse(text);
  } catch (cause) {
    throw new PipelineError("package.json is not JSON", { fix: "restore it", cause });
  }
  const scripts = Object.entries(manifest.scripts ?? {}).filter(([, line]) => !NO_TEST.test(line));
  const merged = { ...manifest, scripts: { ...SCRIPTS, ...Object.fromEntries(scripts) } };
  // `npm init` writes "commonjs" by default.
  return `${JSON.stringify({ ...merged, type: "module" }, null, 2)}\n`;
}
