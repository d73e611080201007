import { basename, resolve } from "node:path";
import { Command } from "commander";
import { type Reading, readRelease } from "../../release/diff/read.ts";
import { unacceptedAmong } from "../../release/diff/regressions.ts";
import { familyOf } from "../../release/tag-order.ts";
import { readCells } from "../../runtime/read-cells.ts";
import type { Cells } from "../../schema/cells.ts";
import type { Inventory } from "../../schema/inventory.ts";
import { TAG } from "../../schema/names.ts";
import { DirectoryReleases } from "../../stores/directory/releases.ts";
import type { ReleaseStore } from "../../stores/store.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { unique } from "../../util/unique.ts";
import { inRun } from "../shared/run.ts";
import { compared } from "./changelog.ts";
import { openReleases, STORE, type StoreFlags } from "./store.ts";
import { root } from "./tree.ts";

/** The word for the only draft on GitHub. */
const DRAFT = "draft";
const RELEASE = 'a tag, "draft" (the draft on GitHub), or a directory (with a "/")';

export const releaseDiffCommand = new Command("diff")
  .description("compare two releases: cells, packages, sizes, boot times, pins and large files, as Markdown")
  .argument("<a>", `the earlier release: ${RELEASE}`)
  .argument("<b>", "the later release")
  .option(...STORE)
  .option("--json", "print JSON")
  .option(
    "--check",
    "exit 1 if there is a regression over the limits in images.ts that is not accepted there (default: 0, whatever is different)",
  )
  .action(diff);

interface Flags extends StoreFlags {
  readonly json?: true;
  readonly check?: true;
}

async function diff(a: string, b: string, flags: Flags): Promise<void> {
  const cells = readCells(root());
  await inRun(async (run) => {
    const known = new Map<string, Inventory>();
    const store = await openReleases(cells, flags.store, run, true);
    const [before, after] = [await find(a, store, cells, run), await find(b, store, cells, run)];
    if (identity(before) === identity(after)) {
      throw new PipelineError(`${a} and ${b} are the same release (${before.release.url})`, {
        fix: "name two releases",
      });
    }
    const [then, now] = [
      await readRelease({ ...before, cells, known }, run),
      await readRelease({ ...after, cells, known }, run),
    ];
    const { diff: difference, regressions, text } = compared(then, now, cells);
    run.progress.end();
    process.stdout.write(flags.json ? `${JSON.stringify({ ...difference, regressions }, null, 2)}\n` : text);
    const refused = unacceptedAmong(regressions);
    if (refused.length > 0) {
      process.stderr.write(`${refused.length} regressions are not accepted in images.ts\n`);
      if (flags.check) process.exitCode = 1;
    }
  });
}

type Found = Pick<Reading, "store" | "release">;

/** The release that an argument names. @throws PipelineError if there is none, or several */
async function find(name: string, store: ReleaseStore, cells: Cells, run: Run): Promise<Found> {
  if (isDirectory(name)) {
    const tag = basename(resolve(name));
    const own = new DirectoryReleases(name, tag, run);
    const release = await own.find(tag);
    if (release) return { store: own, release };
    throw new PipelineError(`there is no directory ${name}`, {
      code: "not-offered",
      fix: "give one with staged cells, or with the files of a release",
    });
  }
  const tag = name === DRAFT ? await draftTag(store, cells) : name;
  const release = TAG.test(tag) ? await store.find(tag) : undefined;
  if (release) return { store, release };
  const tags = unique((await store.list()).map((each) => each.tag)).filter((each) => isImages(each, cells));
  throw new PipelineError(
    `unknown release "${name}" on ${store.name}; ${tags.length > 0 ? `one of: ${tags.join(", ")}` : "it has none"}`,
    {
      code: "not-offered",
      fix: store.isPublic
        ? "drafts need GITHUB_TOKEN with contents: write"
        : "add --store github for releases on GitHub, or give a directory",
    },
  );
}

/** A tag has no slash. */
const isDirectory = (name: string): boolean => name.includes("/") || name === "." || name === "..";

/** What two names of the same release have in common. */
const identity = ({ store, release }: Found) => (store.isPublic ? release.id : resolve(release.id));

const isImages = (tag: string, cells: Cells): boolean => familyOf(tag) === familyOf(cells.tag);

/** @throws PipelineError if there is no draft, or several */
async function draftTag(store: ReleaseStore, cells: Cells): Promise<string> {
  if (!store.isPublic) {
    throw new PipelineError(`"${DRAFT}" is a release on GitHub, and ${store.name} is a directory`, {
      fix: "add --store github, or give the directory itself",
    });
  }
  const all = (await store.list()).filter(({ tag }) => isImages(tag, cells));
  const tags = unique(all.filter(({ state }) => state === "draft").map(({ tag }) => tag));
  const [tag, ...others] = tags;
  if (tag === undefined) {
    throw new PipelineError(`${store.name} has no draft that this token may see`, {
      code: "not-offered",
      fix: "`npx smolvm-images release prepare` makes one; GITHUB_TOKEN needs contents: write",
    });
  }
  if (others.length > 0) {
    throw new PipelineError(`${store.name} has drafts of several tags: ${tags.join(", ")}`, {
      code: "several-drafts",
      fix: "name the tag",
    });
  }
  if (all.some((each) => each.tag === tag && each.state === "published")) {
    throw new PipelineError(`${store.name} has a draft of ${tag}, which is published already`, {
      code: "several-drafts",
      fix: "remove the draft, or name the tag for the published release",
    });
  }
  return tag;
}
