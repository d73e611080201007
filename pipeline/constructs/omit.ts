import { z } from "zod";
import { listOf, text } from "./props.ts";

/** Files that an installed package has, and that its image does not: nothing in a microVM can use them. */
export interface Omit {
  /** Their paths in the image, or those of directories: a pattern in which `*` stands for any characters but `/`. */
  readonly paths: string;
  /** Why nothing needs them, for the readers of the declaration and of the inventory. */
  readonly reason: string;
}

/** The schema of a list of omitted files. The patterns are the shell's, in which `**` is no more than `*`. */
export const OmitProp: z.ZodType<readonly Omit[]> = listOf(
  z.strictObject({
    paths: z
      .string()
      .regex(
        /^(?!.*\*\*)(?!.*\/\.{0,2}(\/|$))\/[A-Za-z0-9@._*/+-]+$/,
        "is not a pattern of absolute paths, such as /opt/agent/node_modules/*/sounds",
      ),
    reason: text(),
  }),
);
