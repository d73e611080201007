import type { ReleaseStore } from "../stores/store.ts";
import { PipelineError } from "../util/error.ts";
import { compareTags, familyOf, hasVersion } from "./tag-order.ts";

/** Checks that a tag can follow the present one. @throws PipelineError when it is none, or is not newer */
export function checkNewTag(tag: string, present: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(tag) || !hasVersion(tag) || familyOf(tag) !== familyOf(present)) {
    throw new PipelineError(`"${tag}" is not a tag like the present one, ${present}`, {
      fix: `write ${familyOf(present)} and a version`,
    });
  }
  if (hasVersion(present) && compareTags(tag, present) <= 0) {
    throw new PipelineError(`${tag} is not newer than the present tag, ${present}`, {
      fix: "choose a higher version",
    });
  }
}

/** Checks that there is no release of a tag. @throws PipelineError when there is one, or a draft */
export async function checkUnused(tag: string, store: ReleaseStore): Promise<void> {
  const taken = (await store.list()).find((release) => release.tag === tag);
  if (taken === undefined) return;
  const what = taken.state === "draft" ? "a draft of it" : "it";
  throw new PipelineError(`${tag}: ${store.name} has ${what} already (${taken.url})`, {
    code: "release-published",
    fix: "choose a newer tag",
  });
}
