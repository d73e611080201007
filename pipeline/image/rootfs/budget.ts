import type { Listing } from "../../schema/listing.ts";
import { PipelineError } from "../../util/error.ts";

const SHOWN = 10;

export interface Spent {
  /** In words: `its files`, `its asset`. */
  readonly what: string;
  readonly bytes: number;
  readonly limit: number;
  /** The larger files, bytes by path. */
  readonly files: Readonly<Record<string, number>>;
}

/** @throws PipelineError when an image is larger than it may be, with what made it grow since it was listed */
export function checkBudget({ what, bytes, limit, files }: Spent, listing: Listing | undefined): void {
  if (bytes <= limit) return;
  const before = listing?.files ?? {};
  const grown = Object.entries(files)
    .map(([path, size]) => [path, size - (before[path] ?? 0)] as const)
    .filter(([, by]) => by > 0)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .slice(0, SHOWN);
  const since = listing
    ? "the largest additions since it was listed"
    : "its largest files (it was never listed)";
  throw new PipelineError(
    `${what} take ${megabytes(bytes)}, and its budget is ${megabytes(limit)}: make it smaller, or raise budget in ` +
      `images.ts; ${since}:`,
    { code: "over-budget", details: grown.map(([path, by]) => `- ${megabytes(by).padStart(9)}  ${path}`) },
  );
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
