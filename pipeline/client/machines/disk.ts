import { truncate } from "node:fs/promises";
import { x } from "tinyexec";
import { PipelineError } from "../../util/error.ts";

/** Copies an image. The copy shares blocks with the original if the file system can, and keeps its holes. */
export async function copyDisk(from: string, to: string): Promise<void> {
  const flags = process.platform === "darwin" ? ["-c"] : ["--reflink=auto", "--sparse=always"];
  await tool("cp", [...flags, from, to], "coreutils");
}

/** Enlarges an ext4 image and its file system. It must not be in use. @throws PipelineError if resize2fs fails */
export async function growDisk(path: string, mib: number): Promise<void> {
  await truncate(path, mib * 2 ** 20);
  // -f: resize without running e2fsck first. The image has never been mounted, so it has no errors.
  await tool("resize2fs", ["-f", path], "e2fsprogs");
}

async function tool(program: string, args: readonly string[], debianPackage: string): Promise<void> {
  // resize2fs is in an sbin directory, which is not on every user's PATH.
  const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
  let result: Awaited<ReturnType<typeof x>>;
  try {
    result = await x(program, [...args], { nodeOptions: { env: { ...process.env, PATH } } });
  } catch (cause) {
    throw new PipelineError(`${program} is not installed`, {
      ...{ code: "program-missing", fix: `install ${debianPackage}`, cause },
    });
  }
  if (result.exitCode === 0) return;
  throw new PipelineError(`${program} failed: ${result.stderr.trim().split("\n").at(-1)}`);
}
