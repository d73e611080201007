import { PipelineError } from "../util/error.ts";
import { releasesOf } from "./ask/endoflife.ts";
import type { Upstream } from "./upstream.ts";

export interface SupportedProduct {
  /** As endoflife.date names it: `alpine-linux`. */
  readonly product: keyof typeof ENDS;
  /** Its release: `3.24`. */
  readonly release: string;
}

/** The end of a release's support. */
export interface Support {
  /** The last day, `YYYY-MM-DD`; undefined where nobody says it. */
  readonly until: string | undefined;
  /** Set if it has ended on a day that nobody says. */
  readonly ended?: true;
  readonly source: string;
}

/** The commit of github.com/endoflife-date/endoflife.date that ENDS was taken from, and its day. */
const TAKEN = "endoflife-date/endoflife.date@a70eca3, 2026-08-22";

/**
 * The last days of support, where endoflife.date cannot be reached. From its files products/*.md at the commit above; for
 * Debian the end of the security team's support, not of LTS; for Ubuntu the end of standard support.
 */
const ENDS = {
  "alpine-linux": {
    "3.19": "2025-11-01",
    "3.20": "2026-04-01",
    "3.21": "2026-11-01",
    "3.22": "2027-05-01",
    "3.23": "2027-11-01",
    "3.24": "2028-06-01",
  },
  ubuntu: {
    "22.04": "2027-04-01",
    "24.04": "2029-05-31",
    "24.10": "2025-07-10",
    "25.04": "2026-01-17",
    "25.10": "2026-07-01",
    "26.04": "2031-04-30",
  },
  debian: { "12": "2026-07-11", "13": "2028-08-09" },
  nodejs: {
    "20": "2026-04-30",
    "22": "2027-04-30",
    "24": "2028-04-30",
    "25": "2026-06-01",
    "26": "2029-04-30",
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

/** When the support of a release ends, by endoflife.date, or by the table above where that cannot be reached. */
export async function supportOf(
  upstream: Upstream,
  { product, release }: SupportedProduct,
): Promise<Support> {
  const table: Readonly<Record<string, string>> = ENDS[product];
  try {
    const found = (await releasesOf(upstream, product)).find(({ name }) => name === release);
    if (found) {
      const until = found.eolFrom ?? undefined;
      const ended = until === undefined && found.isEol ? { ended: true as const } : {};
      return { until, ...ended, source: "endoflife.date" };
    }
  } catch (error) {
    upstream.run.signal.throwIfAborted();
    if (!(error instanceof PipelineError)) throw error;
  }
  return { until: table[release], source: TAKEN };
}
