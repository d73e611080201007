import semver from "semver";
import { z } from "zod";
import type { Upstream } from "../upstream.ts";
import { parsed } from "./http.ts";
import { inTemporary } from "./locked-package.ts";
import { npm } from "./npm.ts";

/** npm prints one value alone, where several may follow. */
const Versions = z.union([z.string().transform((one) => [one]), z.array(z.string())]);
const Viewed = z.object({
  "dist-tags": z.record(z.string(), z.string()),
  versions: Versions,
  time: z.record(z.string(), z.string()).optional(),
  deprecated: z.string().optional(),
});

/** What the npm registry has of a package. */
export interface NpmPackage {
  /** The version with the tag `latest`; undefined if the tag has none, or something else than a version. */
  readonly latest: string | undefined;
  /** Those that are versions: old packages and other registries have other texts too. */
  readonly versions: readonly string[];
  /** When each version was published, if the registry says it. */
  readonly times: Readonly<Record<string, string>>;
  /** Why nobody should use the newest version. */
  readonly deprecated: string | undefined;
}

/** Asks npm, with the user's own registry, proxy and CA. @throws PipelineError when npm is missing or gets no answer in time */
export async function npmPackage({ run, patience }: Upstream, name: string): Promise<NpmPackage> {
  return await inTemporary("view", async (directory) => {
    const fields = ["dist-tags", "versions", "time", "deprecated"];
    const text = await npm(directory, ["view", name, ...fields], name, run.signal, "", patience.totalMs);
    const { versions, time, deprecated, ...rest } = parsed(`npm view ${name}`, Viewed, text);
    return {
      latest: semver.valid(rest["dist-tags"].latest) ?? undefined,
      versions: versions.filter((each) => semver.valid(each) !== null),
      ...{ times: time ?? {}, deprecated },
    };
  });
}
