import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import { type ReportOptions, readReport } from "../../release/report/read.ts";
import { readCells } from "../../runtime/read-cells.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { reasonOf } from "../../util/reason.ts";
import { writeWhole } from "../../util/whole-file.ts";
import { inRun } from "../shared/run.ts";
import { openReleases, STORE, type StoreFlags } from "./store.ts";
import { root } from "./tree.ts";

export const releaseReportCommand = new Command("report")
  .description(
    "make the page about a release: its files, inventories, and sizes and boot times over releases",
  )
  .argument("[tag]", "the release's tag (default: the declared one)")
  .option(...STORE)
  .option("--output <file>", "the file to write (default: stdout)")
  .action(report);

async function report(tag: string | undefined, flags: StoreFlags & { output?: string }): Promise<void> {
  const cells = readCells(root());
  await inRun(async (run) => {
    const store = await openReleases(cells, flags.store, run, true);
    const release = await store.find(tag ?? cells.tag);
    if (!release) {
      throw new PipelineError(`${store.name} has no release ${tag ?? cells.tag} that this token may see`, {
        code: "not-offered",
        fix: "run `npx smolvm-images release publish` first, or name another tag",
      });
    }
    const page = await pageOf({ store, release, cells }, run);
    run.progress.end();
    if (flags.output === undefined) process.stdout.write(page);
    else await savePage(flags.output, page);
  });
}

/** The page about a release that is being published. It is for readers alone: without it, the release is published as well. */
export async function releaseReport(options: ReportOptions, run: Run): Promise<string | undefined> {
  try {
    return await pageOf(options, run);
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    run.progress.warn(`the release gets no report: ${error.message}`);
    return undefined;
  }
}

async function pageOf(options: ReportOptions, run: Run): Promise<string> {
  const report = await readReport(options, run);
  // The library that draws takes a while to load.
  const { page } = await import("../../release/report/page.ts");
  return page(report);
}

/** @throws PipelineError when the file cannot be written */
export async function savePage(path: string, page: string): Promise<void> {
  await writeWhole(path, (partial) => writeFile(partial, page)).catch((cause) => {
    throw new PipelineError(`${path} cannot be written (${reasonOf(cause)})`, {
      ...{ code: "not-writable", fix: "name another file", cause },
    });
  });
}
