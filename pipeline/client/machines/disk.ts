import { truncate } from "node:fs/promises";
import { x } from "tinyexec";
import { PipelineError } from "../../util/error.ts";

/** A copy of an image that may be written to: shared blocks where the file system can, and holes kept. */
export async function copyDisk(from: string, to: string): Promise<void> {
  const flags = process.platform === "darwin" ? ["-c"] : ["--reflink=auto", "--sparse=always"];
  await tool("cp", [...flags, from, to], "coreutils");
}

/** Makes an ext4 image larger, with its file system, while nobody uses it. @throws PipelineError */
export async function growDisk(path: string, mib: number): Promise<void> {
  await truncate(path, mib * 2 ** 20);
  // It was made by mke2fs and never mounted: there is nothing for e2fsck to find first, which -f says.
  await tool("resize2fs", ["-f", path], "e2fsprogs");
}

async function tool(program: string, args: readonly string[], debianPackage: string): Promise<void> {
  // Programs for disks are not on everybody's PATH.
  const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
  let result: Awaited<ReturnType<typeof x>>;
  try {
    result = await x(program, [...args], { nodeOptions: { env: { ...process.env, PATH } } });
  } catch (cause) {
    throw new PipelineError(`${program} is missing`, {
      ...{ code: "program-missing", fix: `install ${debianPackage}`, cause },
    });
  }
  if (result.exitCode === 0) return;
  throw new PipelineError(`${program} failed: ${result.stderr.trim().split("\n").at(-1)}`);
}
