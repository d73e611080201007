import type { Listing } from "../../schema/listing.ts";
import { PipelineError } from "../../util/error.ts";

const SHOWN = 10;

export interface Spent {
  /** A plural noun for the error: `its files`, `its compressed bytes`. */
  readonly what: string;
  readonly bytes: number;
  readonly limit: number;
  /** The larger files, bytes by path. */
  readonly files: Readonly<Record<string, number>>;
}

/** @throws PipelineError if `bytes` is more than `limit`, with the files that grew most since the listing was recorded */
export function checkBudget({ what, bytes, limit, files }: Spent, listing: Listing | undefined): void {
  if (bytes <= limit) return;
  const before = listing?.files ?? {};
  const grown = Object.entries(files)
    .map(([path, size]) => [path, size - (before[path] ?? 0)] as const)
    .filter(([, by]) => by > 0)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .slice(0, SHOWN);
  const since = listing
    ? "the files that grew most since its listing was recorded"
    : "its largest files (it has no recorded listing)";
  throw new PipelineError(`${what} take ${megabytes(bytes)}, but the budget is ${megabytes(limit)}`, {
    code: "over-budget",
    fix: `make the image smaller, or raise budget in images.ts; ${since}:`,
    details: grown.map(([path, by]) => `- ${megabytes(by).padStart(9)}  ${path}`),
  });
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
