import { z } from "zod";
import { NEWEST } from "../../schema/initramfs/choices.ts";
import { Arch } from "../../schema/names.ts";
import { SHA256 } from "../../util/hash.ts";
import { repeated } from "../props.ts";

/** A file of a release whose sha256 may not be known. */
export interface ReleaseFile {
  /**
   * Its address on GitHub: `https://github.com/OWNER/NAME/releases/download/TAG/FILE`, or
   * `https://github.com/OWNER/NAME/releases/latest/download/FILE` for the newest release on the day of the build.
   */
  readonly url: string;
  /** @default nobody has confirmed one, which only debug mode allows */
  readonly sha256?: string | undefined;
}

/** A program of an appliance, from a release on GitHub. It is declared like a program of a base. */
export interface ApplianceProgram {
  /** Its path in the image: `/sbin/zinit`. */
  readonly path: string;
  /** Its file for each arch of the appliance. The file is the program itself, not an archive. */
  readonly files: Partial<Record<Arch, ReleaseFile>>;
}

const ADDRESS =
  /^https?:\/\/[^/\s]+\/([\w.-]+\/[\w.-]+)\/releases\/(?:download\/([\w.+-]+)|latest\/download)\/([\w.+-]+)$/;

/** The schema of an appliance's programs. */
export const AppliancePrograms: z.ZodType<readonly ApplianceProgram[]> = z
  .array(
    z.strictObject({
      path: z
        .string()
        .regex(
          /^\/(bin|sbin|usr\/bin|usr\/sbin|usr\/local(\/[A-Za-z0-9_+-]+)*|opt(\/[A-Za-z0-9_+-]+)*)\/[A-Za-z0-9_+-][A-Za-z0-9._+-]*$/,
          "is not a path of a program, such as /sbin/zinit or /usr/local/bin/agent",
        ),
      files: z.partialRecord(
        Arch,
        z.strictObject({
          url: z
            .string()
            .regex(
              ADDRESS,
              "is not a file of a release on GitHub: https://github.com/OWNER/NAME/releases/download/TAG/FILE",
            ),
          sha256: z.string().regex(SHA256, "is not a sha256: 64 lower-case hex digits").optional(),
        }),
      ),
    }),
  )
  .superRefine((all, context) => {
    for (const path of repeated(all.map((each) => each.path))) {
      context.addIssue({ code: "custom", message: `${path} is listed twice` });
    }
    for (const { path, files } of all) {
      for (const { url, sha256 } of Object.values(files)) {
        if (sha256 === undefined || versionOf(url) !== NEWEST) continue;
        context.addIssue({
          code: "custom",
          message: `${path}: the newest release has another sha256 every time: name a release, or leave the sha256 out`,
        });
      }
    }
  });

const versionOf = (url: string): string => ADDRESS.exec(url)?.[2] ?? NEWEST;

/** The programs of an appliance for one arch, as its cell has them. */
export const programsFor = (programs: readonly ApplianceProgram[], arch: Arch) =>
  programs.flatMap(({ path, files }) => {
    const file = files[arch];
    const [, repository = "", version = NEWEST, asset = ""] = ADDRESS.exec(file?.url ?? "") ?? [];
    if (!file || !repository) return [];
    return [{ path, repository, version, asset, url: file.url, sha256: file.sha256 ?? null }];
  });
