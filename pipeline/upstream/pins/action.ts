import semver from "semver";
import { PipelineError } from "../../util/error.ts";
import { daysBetween, versionTags } from "../ask/git-tags.ts";
import type { Newest, Pin, Resolver } from "../pin.ts";
import { replaced } from "../replace.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";

/** Where this package's own checkout has the actions of generated workflows. Other projects get them with the package. */
export const TABLE = "pipeline/synth/workflow/actions.ts";
const GITHUB = "https://github.com";
/** `"actions/checkout": { version: "v7.0.1", commit: "3d3c…" },` */
const ROW = /^ {2}"([\w-]+\/[\w.-]+)": \{ version: "(v[\d.]+)", commit: "([0-9a-f]{40})" \},$/gm;

/** The actions of generated workflows, by commit. */
export const actions: Resolver = ({ own }) => {
  const text = own(TABLE);
  if (text === undefined) return [];
  const rows = rowsOf(text);
  if (rows.length === 0) {
    throw new PipelineError(`${TABLE}: no row like \`"OWNER/NAME": { version: "v1.0.0", commit: "…" },\``, {
      code: "pin-not-found",
      fix: "write the actions in this form",
    });
  }
  return rows.map(({ action, version, commit }) => pinOf(action, version, commit));
};

const rowsOf = (table: string) =>
  [...table.matchAll(ROW)].map(([, action = "", version = "", commit = ""]) => ({ action, version, commit }));

/**
 * A generated workflow with the actions of another table. This process renders with the table that it was started with.
 * @param before the text of the table that the workflow was rendered with
 */
export function withActions(workflow: string, before: string, after: string): string {
  const now = new Map(rowsOf(after).map((row) => [row.action, row]));
  return rowsOf(before).reduce((text, { action, version, commit }) => {
    const to = now.get(action);
    if (to === undefined || to.commit === commit) return text;
    return text
      .replaceAll(`@${commit} # ${version}`, `@${to.commit} # ${to.version}`)
      .replaceAll(`@${commit}`, `@${to.commit}`);
  }, workflow);
}

function pinOf(action: string, pinned: string, commit: string): Pin {
  const repository = `${GITHUB}/${action.split("/").slice(0, 2).join("/")}`;
  const row = (version: string, id: string) => `"${action}": { version: "${version}", commit: "${id}" }`;
  const newest = async (upstream: Upstream): Promise<Newest> => {
    const tags = await versionTags(upstream, repository);
    const [first] = tags;
    const at = tags.findIndex(({ tag }) => tag === pinned);
    if (first === undefined || at < 0) throw new Unknown(repository, `it has no tag ${pinned}`);
    const now = tags[at]!.commit;
    const outcome = {
      version: first.tag,
      ...(now === commit ? {} : { changed: `the tag ${pinned} of ${action} is at ${now} now` }),
    };
    if (!semver.gt(first.tag, pinned)) return outcome;
    return {
      ...outcome,
      behind: { versions: at, days: await daysBetween(upstream, repository, commit, first.commit) },
      write: (to) => replaced(to, [{ find: row(pinned, commit), by: row(first.tag, first.commit) }], [TABLE]),
    };
  };
  return { kind: "action", name: action, pinned, newest };
}
