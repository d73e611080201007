import type Docker from "dockerode";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { type Ext4Options, makeExt4 } from "../formats/ext4.ts";
import type { SparseFile } from "../formats/sparse.ts";
import { Audit, type Meant } from "./audit.ts";
import { type Finding, findingLine } from "./findings.ts";
import { type Rootfs, toTar } from "./normalise.ts";
import type { UnownedFile } from "./ownership/account.ts";

/** Findings shown when an audit refuses an image. */
const SHOWN_FINDINGS = 20;

export interface AuditedImageOptions extends Omit<Ext4Options, "contentBytes"> {
  /** The name of the image in errors: a cell's id, or the name that a user gave. */
  readonly title: string;
  readonly meant: Meant;
  /** The files without an owner, the largest first; they are looked for while the image is made. @default none */
  readonly unowned?: Promise<readonly UnownedFile[]>;
}

/**
 * Makes an ext4 image of a root file system, and audits every byte that goes into it. Every image of this project is made
 * by this function. @throws PipelineError with the audit's findings
 */
export async function makeAuditedImage(
  docker: Docker,
  rootfs: Rootfs,
  { title, meant, unowned, ...ext4 }: AuditedImageOptions,
  run: Run,
): Promise<SparseFile> {
  run.progress.step("make the ext4 image");
  const audit = new Audit(meant);
  const contentBytes = rootfs.entries.reduce((sum, entry) => sum + rootfs.sizeOf(entry), 0);
  let done = 0;
  const tar = toTar(rootfs, (entry, chunk) => {
    audit.chunk(entry, chunk);
    done += chunk.length;
    run.progress.bytes(done, contentBytes);
  });
  const inspected = audit.inspect(rootfs);
  // Both are awaited when the image is made. Until then a failure of theirs must not end the process.
  for (const each of [inspected, unowned]) each?.catch(() => {});
  const image = await makeExt4(docker, tar, { ...ext4, contentBytes }, run);
  const findings = await audit.findings(rootfs, await unowned, inspected);
  if (findings.length > 0) throw refuse(title, findings);
  return image;
}

/** The error for an image that an audit refuses. */
export function refuse(title: string, findings: readonly Finding[]): PipelineError {
  const shown = findings.slice(0, SHOWN_FINDINGS).map((finding) => `- ${findingLine(finding)}`);
  const more = findings.length - shown.length;
  return new PipelineError(
    `the audit refuses ${title}: ${findings.length} findings in its root file system`,
    {
      code: "audit-refused",
      details: [...shown, ...(more > 0 ? [`- and ${more} more`] : [])],
    },
  );
}
