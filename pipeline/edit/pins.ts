import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ReadFile } from "../constructs/app.ts";
import type { Release } from "../constructs/release.ts";
import type { Project } from "../synth/find-project.ts";
import { filesIn } from "../synth/project.ts";
import { pinsOf } from "../upstream/index.ts";
import type { Declared, Newest, Pin } from "../upstream/pin.ts";
import { type Support, supportOf } from "../upstream/support.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { errorCode, PipelineError } from "../util/error.ts";

/** A pin, and what its source answers: an error where there is no answer. */
export interface Resolved {
  readonly pin: Pin;
  readonly answer: Newest | PipelineError;
  /** Undefined for what has no end of support. */
  readonly support: Support | undefined;
}

/** How many sources are asked at the same time. */
const AT_ONCE = 6;

/** A project for `pinsOf`. @param files reads its files as they are, or will be */
export const declaredOf = (
  { root, declaration }: Project,
  release: Release,
  files: ReadFile = filesIn(root),
): Declared => ({
  release,
  declaration,
  own: (path) => (existsSync(join(root, path)) ? files(path) : undefined),
});

/** Asks the sources of pins. @param names the pins. @default every one of the project */
export async function resolvePins(
  declared: Declared,
  upstream: Upstream,
  names?: readonly string[],
): Promise<Resolved[]> {
  const { run } = upstream;
  const pins = pinsOf(declared).filter(({ name }) => names?.includes(name) ?? true);
  const resolved: Resolved[] = [];
  if (pins.length === 0) return resolved;
  let next = 0;
  let done = 0;
  run.progress.step("ask what is newest");
  const work = async () => {
    while (next < pins.length) {
      const at = next++;
      resolved[at] = await resolve(pins[at]!, upstream);
      run.progress.count(++done, pins.length, "pins");
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return resolved;
}

async function resolve(pin: Pin, upstream: Upstream): Promise<Resolved> {
  const [answer, support] = await Promise.all([
    pin.newest(upstream).catch((error: unknown) => {
      upstream.run.signal.throwIfAborted();
      return asPipelineError(error);
    }),
    pin.supported && supportOf(upstream, pin.supported),
  ]);
  return { pin, answer, support };
}

/** A system error of a program that is started (no memory, too many files) is the reason why there is no answer. */
function asPipelineError(error: unknown): PipelineError {
  if (error instanceof PipelineError) return error;
  if (errorCode(error) === undefined) throw error;
  return new PipelineError((error as Error).message, { code: "upstream-unknown", cause: error });
}
