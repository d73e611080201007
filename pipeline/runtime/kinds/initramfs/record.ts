import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { InitramfsFacts } from "../../../schema/facts.ts";
import { recordedAppliance, recordedAppliancePath } from "../../../schema/initramfs/recorded.ts";
import { writeWhole } from "../../../util/whole-file.ts";

/** Records what a build of an appliance found, for its page: the versions of packages, and the sizes of modules. */
export async function recordAppliance(
  root: string,
  facts: Pick<InitramfsFacts, "id" | "kernel" | "modules" | "packages">,
): Promise<void> {
  const path = join(root, recordedAppliancePath(facts.id));
  await mkdir(dirname(path), { recursive: true });
  const text = `${JSON.stringify(recordedAppliance(facts), null, 2)}\n`;
  await writeWhole(path, (partial) => writeFile(partial, text));
}
