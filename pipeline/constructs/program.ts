import { z } from "zod";
import { Arch } from "../schema/names.ts";
import { SHA256 } from "../util/hash.ts";
import type { Tarball } from "./flavor.ts";
import { repeated } from "./props.ts";

/** A program that is fetched from a release, and not installed from a package. */
export interface Program {
  /** Its path in the image, below `/usr/local` or `/opt`: `/usr/local/bin/smolvm-guest-agent`. */
  readonly path: string;
  /** Its file for each arch of the base, by address and sha256. The file is the program itself, not an archive. */
  readonly files: Partial<Record<Arch, Tarball>>;
}

const File = z.strictObject({
  url: z.string().regex(/^https?:\/\/\S+$/, "is not an http(s) address"),
  sha256: z.string().regex(SHA256, "is not a sha256: 64 lower-case hex digits"),
});

/** The schema of a base's programs. */
export const ProgramsProp: z.ZodType<readonly Program[]> = z
  .array(
    z.strictObject({
      path: z
        .string()
        .regex(
          /^\/(usr\/local|opt)(\/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)+$/,
          "is not a path below /usr/local or /opt, such as /usr/local/bin/agent",
        ),
      files: z.partialRecord(Arch, File),
    }),
  )
  .superRefine((all, context) => {
    for (const path of repeated(all.map((each) => each.path))) {
      context.addIssue({ code: "custom", message: `${path} is listed twice` });
    }
  });
