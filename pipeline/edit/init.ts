import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Change, filesIn } from "../synth/project.ts";
import { PipelineError } from "../util/error.ts";
import { PACKAGE } from "../util/package.ts";
import type { Run } from "../util/progress.ts";
import { addPreset, type Edit, over } from "./preset.ts";
import type { Spec } from "./spec.ts";

export interface InitOptions {
  /** `owner/name` on GitHub, where the images will be published. */
  readonly repository: string;
  /** The first preset: its name, and the npm package. */
  readonly preset: { readonly name: string; readonly package: Spec };
}

/** The scripts that a project has: `npm run <verb>` is `smolvm-images <verb>`. */
const SCRIPTS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["synth", "diff", "list", "plan", "cell", "release", "repro", "preset", "doctor"].map((verb) => [
      verb,
      `smolvm-images ${verb}`,
    ]),
  ),
  test: "smolvm-images synth --check",
};
/** What `npm init` writes there. */
const NO_TEST = /no test specified/;

/**
 * What is to be written so that a directory in which this package is installed becomes a project with a base and a
 * preset: a declaration, and all that synth derives from it. Files that are there stay as they are; package.json gets
 * the scripts that it does not have.
 * @throws PipelineError where the package is not installed, or the directory has images already
 */
export async function initProject(
  root: string,
  { repository, preset }: InitOptions,
  run: Run,
): Promise<Edit> {
  const files = filesIn(root);
  const manifest = files("package.json");
  if (manifest === undefined) {
    throw new PipelineError(
      `${root} has no package.json: run \`npm install --save-dev smolvm-images\` there first`,
    );
  }
  for (const path of ["images.ts", "pipeline/images.ts", "pins.ts"]) {
    if (files(path) === undefined) continue;
    throw new PipelineError(`${path} is there already: choose a directory without images`);
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

/** The digests and versions that this package was released with; from then on they are the project's own. */
const pins = (): string =>
  readFileSync(join(PACKAGE, "pipeline/pins.ts"), "utf8").replace(
    /"\.\/constructs\/index\.ts"/,
    '"smolvm-images/constructs"',
  );

/** package.json with our scripts, and as a project of modules; what it says itself stays. @throws PipelineError */
function withScripts(text: string): string {
  let manifest: { type?: string; scripts?: Record<string, string> };
  try {
    manifest = JSON.parse(text);
  } catch (cause) {
    throw new PipelineError("package.json is no JSON: restore it", { cause });
  }
  const scripts = Object.entries(manifest.scripts ?? {}).filter(([, line]) => !NO_TEST.test(line));
  const merged = { ...manifest, scripts: { ...SCRIPTS, ...Object.fromEntries(scripts) } };
  // npm init writes "commonjs" without being asked.
  return `${JSON.stringify({ ...merged, type: "module" }, null, 2)}\n`;
}
