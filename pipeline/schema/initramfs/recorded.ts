import { z } from "zod";
import type { InitramfsFacts } from "../facts.ts";
import { ResolvedModule } from "./resolved.ts";

/** What a build of an appliance found, of which its documents show versions and sizes. `cell --record` writes it. */
export const RecordedAppliance = z.strictObject({
  schema_version: z.literal(1),
  id: z.string(),
  kernel: z.strictObject({ package: z.string(), version: z.string(), release: z.string() }),
  modules: z.array(ResolvedModule),
  /** The versions of the distribution's packages, by their names. */
  packages: z.record(z.string(), z.string()),
});
export type RecordedAppliance = z.infer<typeof RecordedAppliance>;

/** The path of what is recorded of the cell of an appliance. */
export const recordedAppliancePath = (id: string): string => `listings/${id}.json`;

/** What is recorded of an appliance that was built. */
export function recordedAppliance({
  id,
  kernel,
  modules,
  packages,
}: Pick<InitramfsFacts, "id" | "kernel" | "modules" | "packages">): RecordedAppliance {
  const ofDistribution = packages.filter(({ type }) => type === "apk" || type === "deb");
  return {
    ...{ schema_version: 1, id, kernel, modules },
    packages: Object.fromEntries(ofDistribution.map(({ name, version }) => [name, version]).sort()),
  };
}
