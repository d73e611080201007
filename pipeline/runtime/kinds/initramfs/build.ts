import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { differences, type Fingerprints, fingerprints } from "../../../image/rootfs/fingerprint.ts";
import type { InitramfsCell } from "../../../schema/cells.ts";
import { readRecord } from "../../../util/record.ts";
import { cellDirectory, inWorkDirectory, notBuilt, type Workshop } from "../../workshop.ts";
import type { Twice } from "../steps.ts";
import { BuildFacts, KERNEL, logOf, makeAppliance, SBOM } from "./pack.ts";
import { recordAppliance } from "./record.ts";

/** `out/images/<id>/build.json`: the facts that the build stage passes to the verify stage. */
export const BUILD_FACTS = "build.json";

/** Makes both assets of an appliance in `out/images/<id>/`. @throws PipelineError if a step fails */
export async function buildAppliance(workshop: Workshop, cell: InitramfsCell) {
  return await inWorkDirectory(workshop, cell, async (directory) => {
    const facts = await makeAppliance(workshop, cell, directory);
    await writeFile(join(directory, BUILD_FACTS), JSON.stringify(facts));
    const target = cellDirectory(workshop, cell);
    await mkdir(target, { recursive: true });
    // The facts are removed first and written last, so that an incomplete result never counts as built.
    await rm(join(target, BUILD_FACTS), { force: true });
    for (const name of [...cell.assets, KERNEL, SBOM, logOf(cell), BUILD_FACTS])
      await rename(join(directory, name), join(target, name));
    if (workshop.options.record) await recordAppliance(workshop.options.root, facts[0]!);
    return withOverrides(facts);
  });
}

/** The result of an earlier build stage. @throws PipelineError if there is none */
export async function builtAppliance(workshop: Workshop, cell: InitramfsCell) {
  const facts = await readRecord(join(cellDirectory(workshop, cell), BUILD_FACTS), BuildFacts);
  if (!facts) throw notBuilt(cell);
  return withOverrides(facts);
}

const withOverrides = (facts: BuildFacts) => ({ facts, overrides: facts[0]!.overrides });
export type BuiltAppliance = ReturnType<typeof withOverrides>;

/** Makes an appliance twice, without any cache except downloads, and compares what was made. */
export async function reproduceAppliance(workshop: Workshop, cell: InitramfsCell): Promise<Twice> {
  const anew = { ...workshop, options: { ...workshop.options, noCache: true } };
  const make = () =>
    inWorkDirectory(workshop, cell, async (directory) => {
      let paths: Fingerprints = new Map();
      const facts = await makeAppliance(anew, cell, directory, async (rootfs) => {
        paths = await fingerprints(rootfs);
      });
      return { facts, paths };
    });
  const [first, second] = [await make(), await make()];
  const files = first.facts.map(
    ({ asset, sha256 }, index) => [asset, [sha256, second.facts[index]!.sha256]] as const,
  );
  return { files: Object.fromEntries(files), differences: differences(first.paths, second.paths) };
}
