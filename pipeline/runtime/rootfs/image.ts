import { makeExt4 } from "../../image/formats/ext4.ts";
import { Audit, type Finding } from "../../image/rootfs/audit.ts";
import { type Rootfs, toTar } from "../../image/rootfs/normalise.ts";
import { type LicensedPackage, listPackages } from "../../image/rootfs/packages.ts";
import { withRootfs } from "../../image/rootfs/rootfs.ts";
import { sbom } from "../../image/rootfs/sbom.ts";
import type { BaseCell, PresetCell } from "../../schema/cells.ts";
import { LISTED } from "../../schema/listing.ts";
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

/** What is in a finished root file system. */
export interface Contents {
  readonly packages: readonly LicensedPackage[];
  /** Its inventory, CycloneDX JSON. */
  readonly sbom: string;
  /** The bytes of all files. */
  readonly size: number;
  /** The larger files, bytes by path. */
  readonly files: Readonly<Record<string, number>>;
}

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
    const packages = await listPackages(rootfs);
    await makeImage(workshop, cell, rootfs, directory);
    await look(rootfs);
    const distribution = distributionOf(
      (await rootfs.read("etc/os-release")) ?? (await rootfs.read("usr/lib/os-release")),
    );
    const subject = { name: cell.id, type: "rootfs", arch: cell.arch, distribution } as const;
    const { size, files } = sizesOf(rootfs);
    return { packages, sbom: sbom(subject, packages), size, files };
  });
}

/** A hard link takes nothing that its file has not taken. */
function sizesOf(rootfs: Rootfs): Pick<Contents, "size" | "files"> {
  const files: Record<string, number> = {};
  const seen = new Set<object>();
  let size = 0;
  for (const entry of rootfs.entries) {
    if (!entry.content || seen.has(entry.content)) continue;
    seen.add(entry.content);
    const bytes = rootfs.sizeOf(entry);
    size += bytes;
    if (bytes >= LISTED) files[entry.path] = bytes;
  }
  return { size, files };
}

/** What a distribution calls itself, and its release. */
function distributionOf(osRelease = ""): { id: string; version: string } {
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]+)"?$`, "m").exec(osRelease)?.[1];
  return { id: field("ID") ?? "linux", version: field("VERSION_ID") ?? "" };
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
  const shown = findings.slice(0, SHOWN_FINDINGS).map(({ path, what }) => `- ${path} ${what}`);
  const more = findings.length - shown.length;
  return new PipelineError(`the audit refuses ${id}: ${findings.length} findings in its root file system`, {
    details: [...shown, ...(more > 0 ? [`- and ${more} more`] : [])],
  });
}
