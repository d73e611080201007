import type { ReadFile } from "../constructs/app.ts";
import type { Project } from "../synth/find-project.ts";
import { type Change, changes, filesIn } from "../synth/project.ts";
import { synth } from "../synth/synth.ts";
import { pinsOf } from "../upstream/index.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { PipelineError, unknownName } from "../util/error.ts";
import { type DeclaredImages, declareImagesOf } from "./declared-images.ts";
import { declaredOf, type Resolved, resolvePins } from "./pins.ts";
import { bumpedLock, type Edit, over, withDerived } from "./preset.ts";
import type { Spec } from "./spec.ts";
import { withTag } from "./tag.ts";

export interface BumpOptions {
  /** The new tag of the release. It has been checked. @default the present one */
  readonly tag?: string | undefined;
  /** Whether everything that is behind is brought to the newest version. @default false */
  readonly pins?: boolean | undefined;
  /** Presets that are brought to a version. @default none */
  readonly presets?: readonly Spec[] | undefined;
}

/** A bump that is not applied yet. */
export interface Bump extends Edit {
  /** What a person must look at before anybody merges it: digests that changed for the same version. */
  readonly suspicious: readonly string[];
  /** What could not be asked, and so was not changed. */
  readonly unknown: readonly string[];
}

/**
 * The changes of a bump: one constant, pins and lockfiles as asked for, and the generated files that follow. Nothing is
 * written.
 *
 * @throws PipelineError when generated files are stale, when a pinned value is not found again, and for a tree that
 * synth refuses
 */
export async function bump(
  project: Project,
  { tag, pins = false, presets = [] }: BumpOptions,
  upstream: Upstream,
): Promise<Bump> {
  const { root, declaration } = project;
  const { run } = upstream;
  const files = filesIn(root);
  const before = await declareImagesOf(project, files);
  checkFresh(root, before);

  const texts = new Map<string, string>();
  const now: ReadFile = (path) => texts.get(path) ?? files(path);
  const take = (changed: ReadonlyMap<string, string>) => {
    for (const [path, text] of changed) texts.set(path, text);
  };
  const notes: string[] = [];
  if (tag !== undefined) {
    take(new Map([[declaration, withTag(declaration, now(declaration) ?? "", before.release.tag, tag)]]));
    notes.push(`tag: ${before.release.tag} -> ${tag}`);
  }
  const byPin: string[] = [];
  for (const spec of presets) {
    const preset = before.release.presets.find((each) => each.preset === spec.name);
    if (preset === undefined) {
      throw unknownName(
        "preset",
        spec.name,
        before.release.presets.map((each) => each.preset),
      );
    }
    if (preset.install.method !== "npm" && spec.version === undefined) byPin.push(spec.name);
    else {
      const { texts: locked, note } = await bumpedLock(project, spec, now, run);
      take(locked);
      notes.push(note);
    }
  }
  const done = new Set(presets.map(({ name }) => name));
  const isAsked = ({ pin }: Resolved) => (done.has(pin.name) ? byPin.includes(pin.name) : pins);
  const declared = declaredOf(project, before.release, now);
  const resolved = (await resolvePins(declared, upstream, pins ? undefined : byPin)).filter(isAsked);
  for (const { pin, answer } of resolved) {
    if (answer instanceof PipelineError) {
      if (byPin.includes(pin.name)) throw answer;
      continue;
    }
    if (answer.behind === undefined) {
      if (byPin.includes(pin.name))
        notes.push(`${pin.name}: nothing to change, it is at ${answer.note ?? pin.pinned}`);
      continue;
    }
    if (answer.write === undefined) {
      notes.push(
        `${pin.name}: ${answer.version} is newer than ${pin.pinned}, and is not chosen automatically`,
      );
      continue;
    }
    run.progress.step(`write ${pin.name} ${answer.version}`);
    take(await answer.write(declared, run));
    notes.push(`${pin.name}: ${pin.pinned} -> ${answer.version}${answer.note ? ` (${answer.note})` : ""}`);
  }

  run.progress.step("check the tree");
  const own: Change[] = [...texts]
    .map(([path, after]) => ({ path, before: files(path), after }))
    .filter((change) => change.before !== change.after);
  const after = await declareImagesOf(project, over(files, own));
  checkTaken(project, after, now, tag, resolved);
  return {
    pending: withDerived(
      project,
      own,
      after,
      after.release.presets.map(({ preset }) => preset),
    ),
    notes,
    suspicious: resolved.flatMap(({ pin, answer }) =>
      !(answer instanceof PipelineError) && answer.changed ? [`${pin.name}: ${answer.changed}`] : [],
    ),
    unknown: resolved.flatMap(({ pin, answer }) =>
      answer instanceof PipelineError
        ? [`${pin.name} is unknown and was not changed: ${answer.message}`]
        : [],
    ),
  };
}

/** @throws PipelineError when synth would change something already, which is no part of this bump */
export function checkFresh(root: string, { app }: DeclaredImages): void {
  const stale = changes(root, synth(app)).map(({ path }) => path);
  if (stale.length === 0) return;
  throw new PipelineError(`${stale[0]}${stale.length > 1 ? ` and ${stale.length - 1} more` : ""}: stale`, {
    code: "dirty-tree",
    fix: "run `npx smolvm-images synth` and commit what it changes, then run it again",
  });
}

/** Checks that what was written is what the tree now declares. @throws PipelineError otherwise */
function checkTaken(
  project: Project,
  { release }: DeclaredImages,
  files: ReadFile,
  tag: string | undefined,
  resolved: readonly Resolved[],
): void {
  const wrong = (what: string) =>
    new PipelineError(`${project.declaration} would not declare ${what}; nothing was changed`, {
      code: "pin-not-found",
      fix: "change it by hand, then run `npx smolvm-images synth`",
    });
  if (tag !== undefined && release.tag !== tag) throw wrong(`the tag ${tag}`);
  const present = new Set(
    pinsOf(declaredOf(project, release, files)).map(({ name, pinned }) => `${name} ${pinned}`),
  );
  for (const { pin, answer } of resolved) {
    const isWritten = !(answer instanceof PipelineError) && answer.behind && answer.write;
    if (isWritten && present.has(`${pin.name} ${pin.pinned}`)) throw wrong(`${pin.name} ${answer.version}`);
  }
}
