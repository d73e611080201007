import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Run } from "../../pipeline/util/progress.ts";

/** A directory of the running test alone; gone when the test has finished. */
export function tempDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "smolvm-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A run that keeps what the work says, and that a test can interrupt. */
export interface RecordedRun extends Run {
  readonly steps: string[];
  readonly warnings: string[];
  readonly bytes: { readonly done: number; readonly total: number }[];
  readonly counts: { readonly done: number; readonly total: number; readonly unit: string }[];
  interrupt(reason: Error): void;
}

export function recordedRun(): RecordedRun {
  const controller = new AbortController();
  const steps: string[] = [];
  const warnings: string[] = [];
  const bytes: { done: number; total: number }[] = [];
  const counts: { done: number; total: number; unit: string }[] = [];
  return {
    steps,
    warnings,
    bytes,
    counts,
    signal: controller.signal,
    interrupt: (reason) => controller.abort(reason),
    progress: {
      step: (title) => void steps.push(title),
      bytes: (done, total) => void bytes.push({ done, total }),
      count: (done, total, unit) => void counts.push({ done, total, unit }),
      warn: (line) => void warnings.push(line),
    },
  };
}
