import { lstatSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { satisfies } from "semver";
import type { ReadFile } from "../constructs/app.ts";
import { lockfileOf, nodeRange } from "../constructs/lockfile.ts";
import type { PresetLayer } from "../constructs/preset-layer.ts";
import { cellId } from "../schema/kinds/index.ts";
import { Listing } from "../schema/listing.ts";
import { ARCHS, type Arch, nameError } from "../schema/names.ts";
import type { Project } from "../synth/find-project.ts";
import { type Change, changes, filesIn } from "../synth/project.ts";
import { synth } from "../synth/synth.ts";
import { findVersion, lockPackage } from "../upstream/ask/locked-package.ts";
import { TABLE as ACTIONS, withActions } from "../upstream/pins/action.ts";
import { errorCode, PipelineError, unknownName } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import { type DeclaredImages, declareImagesOf } from "./declared-images.ts";
import type { Spec } from "./spec.ts";
import { type NewPreset, presetStatement, withoutStatement, withStatement } from "./statement.ts";

/** The result of an edit that is not applied yet: files to write and remove, and lines for the reader. */
export interface Edit {
  readonly pending: readonly Change[];
  readonly notes: readonly string[];
}

export interface AddOptions {
  /** The command that proves the preset works. @default the package's one program with `--version` */
  readonly check?: readonly string[];
  /** The program that `check` runs, if the package has several. */
  readonly program?: string;
  /** The reason why it is not offered, by flavor. @default offered on every flavor */
  readonly refuses?: Readonly<Record<string, string>>;
}

/** The commands of `smolvm`. A preset cannot have such a name. */
const COMMANDS = ["create", "start", "ps", "ssh", "stop", "pull", "images", "prune", "help"];

export const manifestOf = (preset: string) => lockfileOf(preset).replace("package-lock.json", "package.json");

/**
 * The changes that add an npm package as a preset: its lockfile, its statement in images.ts, and the generated files.
 *
 * @param files reads the project's files. @default from the disk
 * @throws PipelineError for a name that is taken, a package that the registry does not have, or a tree that synth refuses
 */
export async function addPreset(
  project: Project,
  name: string,
  { name: pkg, version: wanted }: Spec,
  options: AddOptions,
  run: Run,
  files = filesIn(project.root),
): Promise<Edit> {
  const { root, declaration } = project;
  const before = await declareImagesOf(project, files);
  const wrongName = nameError("preset", name);
  if (wrongName) throw new PipelineError(wrongName);
  if (COMMANDS.includes(name)) {
    throw new PipelineError(`preset "${name}": smolvm has a command of that name`, {
      fix: "choose another name",
    });
  }
  if (before.release.presets.some(({ preset }) => preset === name)) {
    throw new PipelineError(`preset "${name}" exists already`, {
      fix: `update it with \`npx smolvm-images preset bump ${name}\`, or choose another name`,
    });
  }
  const directory = `dockerfiles/${name}`;
  if ((entries(root, directory) ?? []).length > 0) {
    throw new PipelineError(`${directory} exists, but belongs to no preset`, {
      fix: "remove it, or choose another name",
    });
  }

  const version = await findVersion(pkg, wanted, run);
  const { manifest, lockfile, programs } = await lockPackage(name, pkg, version, undefined, run);
  run.progress.step("check the tree");
  const preset: NewPreset = {
    name,
    package: pkg,
    check: options.check ?? [programOf(pkg, programs, options.program), "--version"],
    refuses: options.refuses ?? {},
  };
  const text = files(declaration) ?? "";
  const added = withStatement(text, preset);
  if (added === undefined) {
    throw new PipelineError(
      `${declaration} has no statement \`new PresetLayer(release, "…", {\` or \`new BaseRootfs(release, "…", {\` after which ` +
        "the preset can be added; nothing was changed",
      { fix: "add this statement by hand", details: [presetStatement(preset)] },
    );
  }
  const own = [
    { path: manifestOf(name), before: files(manifestOf(name)), after: manifest },
    { path: lockfileOf(name), before: files(lockfileOf(name)), after: lockfile },
    { path: declaration, before: text, after: added },
  ];
  const after = await declareImagesOf(project, over(files, own));
  const pending = withDerived(project, own, after, [name]);
  expectPresets(declaration, after, [...namesOf(before), name], presetStatement(preset));
  const cell = {
    kind: "preset",
    preset: name,
    arch: hostArch(),
    flavor: quickest(presetNamed(after, name)),
  } as const;
  return {
    pending,
    notes: [
      `added ${name}: ${pkg} ${version}`,
      `Next: npx smolvm-images cell ${cellId(cell)} --level 3   builds it, boots it and runs \`${preset.check.join(" ")}\``,
    ],
  };
}

/**
 * The changes that update a preset to another version of its package; none if it has that version.
 *
 * @throws PipelineError for an unknown preset, one without a lockfile, or a version that the registry does not have
 */
export async function bumpPreset(project: Project, spec: Spec, run: Run): Promise<Edit> {
  const files = filesIn(project.root);
  const { texts, note } = await bumpedLock(project, spec, files, run);
  if (texts.size === 0) return { pending: [], notes: [note] };
  run.progress.step("check the tree");
  const own = [...texts].map(([path, after]) => ({ path, before: files(path), after }));
  const after = await declareImagesOf(project, over(files, own));
  return { pending: withDerived(project, own, after, [spec.name]), notes: [note] };
}

/**
 * The two files that lock another version of a preset's package; none if it has that version.
 *
 * @param files reads the project's files
 * @throws PipelineError as `bumpPreset`
 */
export async function bumpedLock(
  project: Project,
  { name, version: wanted }: Spec,
  files: ReadFile,
  run: Run,
): Promise<{ readonly texts: ReadonlyMap<string, string>; readonly note: string }> {
  const preset = presetNamed(await declareImagesOf(project, files), name);
  if (preset.install.method !== "npm") {
    throw new PipelineError(
      `preset "${name}" is not an npm package: its version is the commit in its statement in ${project.declaration}`,
      { fix: `run \`npx smolvm-images bump --preset ${name}\`, which brings it to the newest tag` },
    );
  }
  const { package: pkg, hold } = preset.install;
  const old = preset.lockedVersion;
  const version = await findVersion(pkg, wanted ?? hold?.range, run);
  if (version === old)
    return { texts: new Map(), note: `${name}: nothing to change, ${pkg} is at ${version}` };
  const { manifest, lockfile } = await lockPackage(name, pkg, version, files(lockfileOf(name)), run);
  const texts = new Map([
    [manifestOf(name), manifest],
    [lockfileOf(name), lockfile],
  ]);
  return { texts, note: `${name}: ${pkg} ${old} -> ${version}` };
}

/**
 * The changes that remove a preset and its files.
 *
 * @throws PipelineError for an unknown preset, or one whose statement is not found in images.ts
 */
export async function removePreset(project: Project, name: string): Promise<Edit> {
  const { root, declaration } = project;
  const files = filesIn(root);
  const before = await declareImagesOf(project, files);
  presetNamed(before, name);
  const text = files(declaration) ?? "";
  const without = withoutStatement(text, name);
  if (without === undefined) {
    throw new PipelineError(
      `${declaration} does not declare "${name}" as \`new PresetLayer(release, "${name}", {\` … \`});\` at the start of ` +
        "a line; nothing was changed",
      {
        fix:
          `delete by hand its statement, dockerfiles/${name} and listings/${name}-*.json, ` +
          "then run `npx smolvm-images synth`",
      },
    );
  }
  const listings = listingsOf(root, files, name);
  const ours = [manifestOf(name), lockfileOf(name), ...listings.ours].filter((path) =>
    isPlainFile(root, path),
  );
  const own: Change[] = [
    ...ours.map((path) => ({ path, before: files(path), after: undefined })),
    { path: declaration, before: text, after: without.text },
  ];
  const after = await declareImagesOf(project, over(files, own));
  const pending = withDerived(project, own, after, [name]);
  expectPresets(
    declaration,
    after,
    namesOf(before).filter((each) => each !== name),
    without.removed,
  );
  const others = (entries(root, `dockerfiles/${name}`) ?? []).map((entry) => `dockerfiles/${name}/${entry}`);
  const left = [...others.filter((path) => !ours.includes(path)), ...listings.others];
  const pins = unusedPins(without.removed, without.text);
  return {
    pending,
    notes: [
      `removed ${name}`,
      ...left.map(
        (path) =>
          `${path} was kept, because it was not made by this project; delete it by hand if you do not need it`,
      ),
      ...pins.map(
        (pin) =>
          `${dirname(declaration) === "." ? "" : `${dirname(declaration)}/`}pins.ts: ${pin} is no longer used: delete it there`,
      ),
    ],
  };
}

/** The given changes, and those of the generated files that follow from them. @throws PipelineError when synth refuses the tree */
export function withDerived(
  project: Project,
  own: readonly Change[],
  after: DeclaredImages,
  presets: readonly string[],
): Change[] {
  try {
    const output = synth(after.app);
    const table = own.find(({ path }) => path === ACTIONS);
    const rendered = [...output].map(([path, text]): [string, string] =>
      table && path.startsWith(".github/")
        ? [path, withActions(text, table.before!, table.after!)]
        : [path, text],
    );
    return [...own, ...changes(project.root, new Map(rendered))];
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    throw new PipelineError(`${error.message}; nothing was changed`, {
      code: error.code,
      details: [...error.details, ...presets.flatMap((preset) => refusalHints(project, after, preset))],
      cause: error,
    });
  }
}

/** For a package that needs a newer Node than some bases have: the lines that refuse those flavors. */
function refusalHints({ declaration }: Project, { release }: DeclaredImages, name: string): string[] {
  const preset = release.presets.find((each) => each.preset === name);
  if (preset?.install.method !== "npm") return [];
  const range = nodeRange(release.files, lockfileOf(name), preset.install.package);
  const reasons = preset.bases
    .filter(({ nodeVersion }) => nodeVersion !== undefined && !satisfies(nodeVersion, range))
    .map(({ flavor, nodeVersion }) => ({
      flavor: flavor.name,
      why: `it needs Node ${range}, not ${nodeVersion}`,
    }));
  if (reasons.length === 0) return [];
  return [
    `To refuse these flavors, write in ${declaration}:`,
    `    refuses: { ${reasons.map(({ flavor, why }) => `${flavor}: ${JSON.stringify(why)}`).join(", ")} },`,
    `or with \`preset add\`: ${reasons.map(({ flavor, why }) => `--refuse "${flavor}=${why}"`).join(" ")}`,
  ];
}

/** Reads files as they will be after the changes. */
export function over(files: ReadFile, pending: readonly Change[]): ReadFile {
  const texts = new Map(pending.map(({ path, after }) => [path, after]));
  return (path) => (texts.has(path) ? texts.get(path) : files(path));
}

const hostArch = (): Arch => (process.arch === "arm64" ? "arm64" : "amd64");

/** The flavor on which a new preset is tried: preferably one that is only built locally. */
const quickest = ({ bases }: PresetLayer): string =>
  (bases.find(({ published }) => !published) ?? bases[0]!).flavor.name;

const namesOf = ({ release }: DeclaredImages) => release.presets.map(({ preset }) => preset);

export function presetNamed(tree: DeclaredImages, name: string): PresetLayer {
  const preset = tree.release.presets.find((each) => each.preset === name);
  if (preset === undefined) throw unknownName("preset", name, namesOf(tree));
  return preset;
}

/** Checks that an edited images.ts declares exactly the expected presets. @throws PipelineError otherwise */
function expectPresets(
  declaration: string,
  after: DeclaredImages,
  expected: readonly string[],
  statement: string,
): void {
  if (namesOf(after).join() === expected.join()) return;
  throw new PipelineError(
    `${declaration} would declare ${namesOf(after).join(", ")} instead of ${expected.join(", ")}; nothing was changed`,
    {
      fix: "edit this statement by hand, then run `npx smolvm-images synth`",
      details: [statement],
    },
  );
}

function programOf(pkg: string, programs: readonly string[], wanted: string | undefined): string {
  if (wanted !== undefined) {
    if (programs.includes(wanted)) return wanted;
    throw unknownName(`program of ${pkg}`, wanted, programs.length > 0 ? programs : ["none"]);
  }
  if (programs.length === 1) return programs[0]!;
  const has =
    programs.length === 0 ? "installs no program" : `installs several programs (${programs.join(", ")})`;
  throw new PipelineError(`${pkg} ${has}; nothing was changed`, {
    fix: 'give the command that checks the preset with --check "PROGRAM --version"',
  });
}

/** The listings that `cell --record` wrote for a preset (`ours`), and other files with such names (`others`). */
function listingsOf(root: string, files: ReadFile, name: string): { ours: string[]; others: string[] } {
  const ids = new RegExp(`^(${name}-(?:${ARCHS.join("|")})-[a-z0-9-]+)\\.json$`);
  const ours: string[] = [];
  const others: string[] = [];
  for (const entry of entries(root, "listings") ?? []) {
    const id = ids.exec(entry)?.[1];
    if (id !== undefined)
      (isListing(files(`listings/${entry}`), id) ? ours : others).push(`listings/${entry}`);
  }
  return { ours, others };
}

function isListing(text: string | undefined, id: string): boolean {
  try {
    return Listing.parse(JSON.parse(text ?? "")).id === id;
  } catch {
    return false;
  }
}

/** The pins that the removed text uses and the rest does not. */
function unusedPins(removed: string, rest: string): string[] {
  const pins = [...removed.matchAll(/\bpins\.(\w+)/g)].map(([, pin]) => pin!);
  return [...new Set(pins)].filter((pin) => !rest.includes(`pins.${pin}`));
}

/** The names in a directory; undefined if it does not exist. @throws PipelineError when it cannot be read as a directory */
function entries(root: string, path: string): string[] | undefined {
  try {
    return readdirSync(join(root, path));
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw new PipelineError(`${path} cannot be read as a directory: ${(cause as Error).message}`, { cause });
  }
}

const isPlainFile = (root: string, path: string) =>
  lstatSync(join(root, path), { throwIfNoEntry: false })?.isFile() ?? false;
