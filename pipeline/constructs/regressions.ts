import { z } from "zod";
import { text } from "./props.ts";

/** The limits of regressions, percent of what the last release has. */
export interface RegressionProps {
  /** How much larger an asset may be as it is downloaded. @default no limit */
  readonly sizePercent?: number | undefined;
  /**
   * How much longer it may take from the start of QEMU to a finished SSH login. Times are compared if both were measured with
   * the same accelerator (KVM or emulation). @default no limit
   */
  readonly bootPercent?: number | undefined;
  /** @default nothing is accepted over a limit */
  readonly accepts?: readonly AcceptedRegression[] | undefined;
}

/** A regression that is accepted in one release. */
export interface AcceptedRegression {
  /** The id of the cell, such as `codex-amd64-ubuntu`. */
  readonly cell: string;
  /** The measure: the bytes of the asset, or the time to its login. */
  readonly what: "size" | "boot";
  /** The tag of the release. For another tag, the entry has no effect. */
  readonly tag: string;
  /** The reason, for the readers of the changelog. */
  readonly reason: string;
}

const percent = () =>
  z.number().refine((value) => value >= 0 && Number.isFinite(value), {
    error: ({ input }) => `${input} is not a number of percent, at least 0`,
  });

export const Regressions: z.ZodType<RegressionProps> = z.strictObject({
  sizePercent: percent().optional(),
  bootPercent: percent().optional(),
  accepts: z
    .array(z.strictObject({ cell: text(), what: z.enum(["size", "boot"]), tag: text(), reason: text() }))
    .optional(),
});
