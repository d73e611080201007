import * as actions from "@actions/core";
import type { Publication } from "../../release/publish.ts";
import { loginMsOf } from "../../schema/kinds/index.ts";
import type { RecordedDigests } from "../../schema/recorded-digests.ts";
import { humanBytes } from "../../util/human-bytes.ts";

/** Whether this is a step of GitHub Actions, which has a summary. */
const shown = () => Boolean(process.env.GITHUB_STEP_SUMMARY);

/**
 * Writes the summary of a run: a table of the release's assets, and the reasons if it is not published.
 * @param before the digests of the previous release. Assets with the same bytes are shown as carried over from it.
 */
export async function summarisePublication(
  { release, problems, facts }: Publication,
  before: RecordedDigests | undefined,
): Promise<void> {
  if (!shown()) return;
  const { summary } = actions;
  summary.addHeading(`${release.tag}: ${verdict(release.state, problems)}`, 2);
  summary.addLink("the release", release.url).addEOL();
  if (problems.length > 0) summary.addList([...problems]);
  const headings = ["cell", "asset", "size", "of the raw image", "boot, ms", "sha256", "made"];
  const rows = facts.map((each) => [
    each.id,
    each.asset,
    humanBytes(each.size),
    `${((100 * each.size) / each.image_size).toFixed(1)} %`,
    String(loginMsOf(each) ?? "-"),
    each.sha256,
    before?.assets[each.asset]?.sha256 === each.sha256 ? `carried from ${before.tag}` : "built",
  ]);
  if (rows.length > 0) summary.addTable([headings.map((data) => ({ data, header: true })), ...rows]);
  await summary.write();
}

/** Writes the commands that a person must run, because the workflow may not. */
export async function summariseCommands(why: string, commands: readonly string[]): Promise<void> {
  if (!shown()) return;
  await actions.summary
    .addHeading("Commands to run by hand", 2)
    .addRaw(why)
    .addEOL()
    .addCodeBlock(commands.join("\n"), "sh")
    .write();
}

const verdict = (state: "draft" | "published", problems: readonly string[]) =>
  problems.length > 0
    ? "not published, and nothing was changed"
    : state === "published"
      ? "published"
      : "complete, and a draft until a person publishes it";
