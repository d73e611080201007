import { makeExt4 } from "../../image/formats/ext4.ts";
import { Audit } from "../../image/rootfs/audit.ts";
import { type Contents, contentsOf } from "../../image/rootfs/contents.ts";
import { type Finding, findingLine } from "../../image/rootfs/findings.ts";
import { type Rootfs, toTar } from "../../image/rootfs/normalise.ts";
import { withRootfs } from "../../image/rootfs/rootfs.ts";
import type { BaseCell, PresetCell } from "../../schema/cells.ts";
import { PipelineError } from "../../util/error.ts";
import type { Workshop } from "../workshop.ts";
import type { Layer } from "./build.ts";

/** The name of the ext4 image in a cell's directory. */
export const IMAGE = "rootfs.ext4";

/** Findings shown when an audit refuses a cell. */
const SHOWN_FINDINGS = 20;

/** The command that proves a root file system, beside a login; null where there is none. */
export const checkOf = (cell: BaseCell | PresetCell): PresetCell["check"] | null =>
  "check" in cell ? cell.check : null;

/**
 * container image -> tar, normalised and audited -> `rootfs.ext4` in `directory`. Returns what is in it; `look`
 * is given the root file system while its bytes are at hand.
 * @throws PipelineError with what the audit found
 */
export async function makeRootfs(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  { image, order }: Pick<Layer, "image" | "order">,
  directory: string,
  look: (rootfs: Rootfs) => Promise<void> = async () => {},
): Promise<Contents> {
  const { docker, run, epoch } = workshop;
  const options = { arch: cell.arch, directory, baseOrder: order, epoch };
  return await withRootfs(docker, image, options, run, async (rootfs) => {
    const contents = await contentsOf(rootfs, { name: cell.id, arch: cell.arch });
    await makeImage(workshop, cell, rootfs, directory);
    await look(rootfs);
    return contents;
  });
}

/** tar -> ext4, with the audit looking at every byte on its way. */
async function makeImage(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  rootfs: Rootfs,
  directory: string,
): Promise<void> {
  const { docker, options, run, tools, epoch } = workshop;
  run.progress.step("make the ext4 image");
  const audit = new Audit({
    arch: cell.arch,
    program: checkOf(cell)?.command[0] ?? null,
    secrets: options.secrets,
  });
  const total = rootfs.entries.reduce((sum, entry) => sum + rootfs.sizeOf(entry), 0);
  let done = 0;
  const tar = toTar(rootfs, (entry, chunk) => {
    audit.chunk(entry, chunk);
    done += chunk.length;
    run.progress.bytes(done, total);
  });
  await makeExt4(
    docker,
    tar,
    {
      directory,
      name: IMAGE,
      sizeMib: cell.disk_mib,
      epoch,
      tools,
      contentBytes: total,
      sizeKnob: `diskMib of the ${cell.flavor} base in pipeline/images.ts`,
    },
    run,
  );
  const findings = await audit.findings(rootfs);
  if (findings.length > 0) throw refused(cell.id, findings);
}

function refused(id: string, findings: readonly Finding[]): PipelineError {
  const shown = findings.slice(0, SHOWN_FINDINGS).map((finding) => `- ${findingLine(finding)}`);
  const more = findings.length - shown.length;
  return new PipelineError(`the audit refuses ${id}: ${findings.length} findings in its root file system`, {
    code: "audit-refused",
    details: [...shown, ...(more > 0 ? [`- and ${more} more`] : [])],
  });
}
