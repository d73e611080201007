import { readFile, stat, writeFile } from "node:fs/promises";
import { DriftReport, MAX_REPORT_BYTES } from "../../schema/drift.ts";
import { PipelineError } from "../../util/error.ts";
import { reasonOf } from "../../util/reason.ts";

/** @throws PipelineError when the file cannot be written */
export async function saveReport(path: string, report: DriftReport): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify(report, null, 2)}\n`);
  } catch (cause) {
    throw new PipelineError(`${path} cannot be written (${reasonOf(cause)})`, {
      ...{ code: "not-writable", fix: "name another file", cause },
    });
  }
}

/** Reads what `drift --save` has written, and trusts nothing of it. @throws PipelineError for any other file */
export async function readReport(path: string): Promise<DriftReport> {
  const fix = "make it with `npx smolvm-images drift --save FILE`";
  try {
    const there = await stat(path);
    if (!there.isFile()) throw new PipelineError(`${path} is not a file`, { fix });
    if (there.size > MAX_REPORT_BYTES)
      throw new PipelineError(`${path} has ${there.size} bytes, more than a report has`, { fix });
    const report = DriftReport.parse(JSON.parse(await readFile(path, "utf8")));
    const twice = report.locks.find(({ preset }, at) =>
      report.locks.slice(0, at).some((each) => each.preset === preset),
    );
    if (twice) throw new PipelineError(`${path} has two lockfiles of ${twice.preset}`, { fix });
    return report;
  } catch (cause) {
    if (cause instanceof PipelineError) throw cause;
    throw new PipelineError(`${path} is not a report of drift (${reasonOf(cause)})`, { fix, cause });
  }
}
