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
import { errorCode, PipelineError, unknownName } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import { type DeclaredImages, declareImagesOf } from "./declared-images.ts";
import { findVersion, lockPackage } from "./locked-package.ts";
import type { Spec } from "./spec.ts";
import { type NewPreset, presetStatement, withoutStatement, withStatement } from "./statement.ts";

/** What a verb makes of the project: files to write and remove, and lines for the reader. */
export interface Edit {
  readonly pending: readonly Change[];
  readonly notes: readonly string[];
}

export interface AddOptions {
  /** The command that proves the preset works. @default the package's one program with `--version` */
  readonly check?: readonly string[];
  /** The program to ask for its version, where the package has several. */
  readonly program?: string;
  /** Why it is not offered, by flavor. @default offered everywhere */
  readonly refuses?: Readonly<Record<string, string>>;
}

/** The words that `smolvm` takes for a command where a preset's name can stand. */
const COMMANDS = ["create", "start", "ps", "ssh", "stop", "pull", "images", "prune", "help"];

const manifestOf = (preset: string) => lockfileOf(preset).replace("package-lock.json", "package.json");

/**
 * What is to be written so that an npm package becomes a preset: its lockfile, its statement in images.ts, and what
 * synth derives from them.
 *
 * @param files the project's files, where they are not those on the disk
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
    throw new PipelineError(`preset "${name}": smolvm has a command of that name; take another`);
  }
  if (before.release.presets.some(({ preset }) => preset === name)) {
    throw new PipelineError(
      `preset "${name}" is there already: \`npx smolvm-images preset bump ${name}\` makes it newer, \`remove\` removes it`,
    );
  }
  const directory = `dockerfiles/${name}`;
  if ((entries(root, directory) ?? []).length > 0) {
    throw new PipelineError(`${directory} exists, and is no preset's: remove it, or take another name`);
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
      `${declaration} has no statement \`new PresetLayer(release, "…", {\` to put this one after; nothing was changed`,
      { details: [presetStatement(preset)] },
    );
  }
  const own = [
    { path: manifestOf(name), before: files(manifestOf(name)), after: manifest },
    { path: lockfileOf(name), before: files(lockfileOf(name)), after: lockfile },
    { path: declaration, before: text, after: added },
  ];
  const after = await declareImagesOf(project, over(files, own));
  const pending = withDerived(project, own, after, name);
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
 * What is to be written so that a preset has another version of its package; nothing where it has it.
 *
 * @throws PipelineError for an unknown preset, one without a lockfile, or a version that the registry does not have
 */
export async function bumpPreset(project: Project, { name, version: wanted }: Spec, run: Run): Promise<Edit> {
  const { root, declaration } = project;
  const files = filesIn(root);
  const tree = await declareImagesOf(project, files);
  const preset = presetNamed(tree, name);
  if (preset.install.method !== "npm") {
    throw new PipelineError(
      `preset "${name}" is not an npm package: its version is the commit that its statement in ${declaration} names; ` +
        "change it there, then run `npx smolvm-images synth`",
    );
  }
  const { package: pkg } = preset.install;
  const old = preset.lockedVersion;
  const version = await findVersion(pkg, wanted, run);
  if (version === old) return { pending: [], notes: [`${name}: nothing to change, ${pkg} is at ${version}`] };

  const { manifest, lockfile } = await lockPackage(name, pkg, version, files(lockfileOf(name)), run);
  run.progress.step("check the tree");
  const own = [
    { path: manifestOf(name), before: files(manifestOf(name)), after: manifest },
    { path: lockfileOf(name), before: files(lockfileOf(name)), after: lockfile },
  ];
  const pending = withDerived(project, own, await declareImagesOf(project, over(files, own)), name);
  return { pending, notes: [`${name}: ${pkg} ${old} -> ${version}`] };
}

/**
 * What is to be written and removed so that nothing is left of a preset.
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
        `a line; nothing was changed. Delete by hand what declares it, dockerfiles/${name} and listings/${name}-*.json, ` +
        "then run `npx smolvm-images synth`",
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
  const pending = withDerived(project, own, after, name);
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
          `${path} stays: it is not what this project writes there; delete it by hand if it is of no use`,
      ),
      ...pins.map(
        (pin) =>
          `${dirname(declaration) === "." ? "" : `${dirname(declaration)}/`}pins.ts: ${pin} is used by nothing now: delete it there`,
      ),
    ],
  };
}

/** Own changes, and what synth makes of the tree that they lead to. @throws PipelineError where synth refuses it */
function withDerived(
  project: Project,
  own: readonly Change[],
  after: DeclaredImages,
  preset: string,
): Change[] {
  try {
    return [...own, ...changes(project.root, synth(after.app))];
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    throw new PipelineError(`${error.message}; nothing was changed`, {
      code: error.code,
      details: [...error.details, ...refusalHints(project, after, preset)],
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
    `To leave it out there, in ${declaration}:`,
    `    refuses: { ${reasons.map(({ flavor, why }) => `${flavor}: ${JSON.stringify(why)}`).join(", ")} },`,
    `or with \`preset add\`: ${reasons.map(({ flavor, why }) => `--refuse "${flavor}=${why}"`).join(" ")}`,
  ];
}

/** Files as they will be. */
export function over(files: ReadFile, pending: readonly Change[]): ReadFile {
  const texts = new Map(pending.map(({ path, after }) => [path, after]));
  return (path) => (texts.has(path) ? texts.get(path) : files(path));
}

const hostArch = (): Arch => (process.arch === "arm64" ? "arm64" : "amd64");

/** A flavor to try it on: one that is only built locally, where there is one. */
const quickest = ({ bases }: PresetLayer): string =>
  (bases.find(({ published }) => !published) ?? bases[0]!).flavor.name;

const namesOf = ({ release }: DeclaredImages) => release.presets.map(({ preset }) => preset);

function presetNamed(tree: DeclaredImages, name: string): PresetLayer {
  const preset = tree.release.presets.find((each) => each.preset === name);
  if (preset === undefined) throw unknownName("preset", name, namesOf(tree));
  return preset;
}

/** That an edit of images.ts has changed what it should, and nothing else. @throws PipelineError otherwise */
function expectPresets(
  declaration: string,
  after: DeclaredImages,
  expected: readonly string[],
  statement: string,
): void {
  if (namesOf(after).join() === expected.join()) return;
  throw new PipelineError(
    `${declaration} would declare ${namesOf(after).join(", ")} and not ${expected.join(", ")}; nothing was changed. ` +
      "Edit it by hand, then run `npx smolvm-images synth`; the statement is",
    { details: [statement] },
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
  throw new PipelineError(
    `${pkg} ${has}: say with --check "PROGRAM --version" how to see that the preset works; nothing was changed`,
  );
}

/** What `cell --record` has written for a preset, and other files that are named like it. */
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

/** The pins that only the removed text names. */
function unusedPins(removed: string, rest: string): string[] {
  const pins = [...removed.matchAll(/\bpins\.(\w+)/g)].map(([, pin]) => pin!);
  return [...new Set(pins)].filter((pin) => !rest.includes(`pins.${pin}`));
}

/** What a directory holds; undefined where there is none. @throws PipelineError where something else is */
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
