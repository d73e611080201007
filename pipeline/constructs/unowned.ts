import { z } from "zod";
import { listOf, text } from "./props.ts";

/** Files of an image that belong to no package, and that neither the recipe nor a known script makes. */
export interface Unowned {
  /** Their paths in the image, as a pattern: `*` stands for any characters but `/`, and `**` for any characters. */
  readonly paths: string;
  /** Where they come from, for the readers of the declaration and of the inventory. */
  readonly reason: string;
}

/** The schema of a list of declared files without an owner. */
export const UnownedProp: z.ZodType<readonly Unowned[]> = listOf(
  z.strictObject({
    paths: z
      .string()
      .regex(
        /^\/[^*]/,
        "is not a pattern of absolute paths that begins with a directory, such as /etc/agent/*",
      ),
    reason: text(),
  }),
);
