import * as actions from "@actions/core";
import type { Publication } from "../../release/publish.ts";
import type { Facts } from "../../schema/facts.ts";
import { loginMsOf } from "../../schema/kinds/index.ts";
import type { RecordedDigests } from "../../schema/recorded-digests.ts";
import { humanBytes } from "../../util/human-bytes.ts";
import { redact } from "../shared/token.ts";

/** Whether this is a step of GitHub Actions, which has a summary. */
const shown = () => Boolean(process.env.GITHUB_STEP_SUMMARY);

/**
 * Writes the summary of a run: a table of the release's assets, and the reasons if it is not published.
 * @param before the digests of the previous release. Assets with the same bytes are shown as carried over from it.
 */
export async function summarisePublication(
  { release, problems, facts, carried }: Publication,
  before: RecordedDigests | undefined,
): Promise<void> {
  if (!shown()) return;
  addVerdict(release.tag, verdict(release.state, problems), problems);
  actions.summary.addLink("the release", asHtml(release.url)).addEOL();
  addAssets(facts, before, carried);
  await actions.summary.write();
}

/** Writes the summary of a run that changed nothing: the reasons, and a table of what is staged. */
export async function summariseRefusal(
  tag: string,
  problems: readonly string[],
  facts: readonly Facts[],
): Promise<void> {
  if (!shown()) return;
  addVerdict(tag, verdict("draft", problems), problems);
  addAssets(facts, undefined);
  await actions.summary.write();
}

function addVerdict(tag: string, text: string, problems: readonly string[]): void {
  actions.summary.addHeading(asHtml(`${tag}: ${text}`), 2);
  if (problems.length > 0) actions.summary.addList(problems.map(asHtml));
}

function addAssets(
  facts: readonly Facts[],
  before: RecordedDigests | undefined,
  carried?: RecordedDigests,
): void {
  if (facts.length === 0 && !carried) return;
  const headings = ["cell", "asset", "size", "of the raw image", "boot, ms", "sha256", "made"];
  const rows = facts.map((each) =>
    [
      each.id,
      each.asset,
      humanBytes(each.size),
      share(each.size, each.image_size),
      String(loginMsOf(each) ?? "-"),
      each.sha256,
      before?.assets[each.asset]?.sha256 === each.sha256
        ? `built (the same bytes as at ${before.tag})`
        : "built",
    ].map(asHtml),
  );
  const copied = Object.entries(carried?.assets ?? {}).map(
    ([asset, { size, image_size: raw, sha256, from }]) => {
      const made = `carried from ${from ?? carried?.tag}`;
      return ["-", asset, humanBytes(size), share(size, raw), "-", sha256, made].map(asHtml);
    },
  );
  actions.summary.addTable([headings.map((data) => ({ data, header: true })), ...rows, ...copied]);
}

const share = (size: number, of: number) => `${((100 * size) / of).toFixed(1)} %`;

/** Writes the commands that a person must run, because the workflow may not. */
export async function summariseCommands(why: string, commands: readonly string[]): Promise<void> {
  if (!shown()) return;
  await actions.summary
    .addHeading("Commands to run by hand", 2)
    .addRaw(`<p>${asHtml(why)}</p>`)
    .addEOL()
    .addCodeBlock(commands.map(asHtml).join("\n"), "sh")
    .write();
}

const ENTITIES: Readonly<Record<string, string>> = {
  ...{ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" },
};

/**
 * A text as data in a summary, on one line and without the token. What facts, packages and GitHub say must become neither
 * HTML nor Markdown; a line break would end the block in which GitHub reads no Markdown.
 */
const asHtml = (text: string): string =>
  redact(text)
    .replace(/\s+/g, " ")
    .replace(/[&<>"']/g, (character) => ENTITIES[character]!);

const verdict = (state: "draft" | "published", problems: readonly string[]) =>
  problems.length > 0
    ? "not published"
    : state === "published"
      ? "published"
      : "complete, and a draft until a person publishes it";
