import { rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type Docker from "dockerode";
import type { Arch } from "../../schema/names.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { runTool } from "../docker/tool.ts";

export interface EfiOptions {
  readonly arch: Arch;
  /** The directory with the input files, in which the executable is made. */
  readonly directory: string;
  /** The executable's file name. */
  readonly name: string;
  /** The file names of the kernel and of the initramfs. */
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
  /** The text of the userland's os-release. */
  readonly osRelease: string;
  /** The kernel's release, as `uname -r` says it. */
  readonly release: string;
  /** Seconds since 1970. */
  readonly epoch: number;
  /** The name of the image of the container with `make-efi` (`ensureEfiTools`). */
  readonly tools: string;
}

/**
 * Makes one EFI executable of a kernel, an initramfs and a command line, by systemd's stub: a "unified kernel image". The
 * same inputs give the same bytes. Returns its path and size, bytes. @throws PipelineError if that fails
 */
export async function makeEfi(
  docker: Docker,
  options: EfiOptions,
  run: Run,
): Promise<{ path: string; size: number }> {
  const { arch, directory, name, kernel, initrd, commandLine, osRelease, release, epoch, tools } = options;
  const partial = `${name}.partial`;
  const texts = { osrel: osRelease, cmdline: commandLine, uname: release };
  const text = (section: string) => `${name}.${section}`;
  const sections = [
    ...Object.keys(texts).map((section) => [section, text(section)] as const),
    ["linux", kernel] as const,
    ["initrd", initrd] as const,
  ];
  try {
    for (const [section, content] of Object.entries(texts)) {
      await writeFile(join(directory, text(section)), content);
    }
    const words = sections.map(([section, file]) => `.${section}=${file}`).join(" ");
    const script = `cd /work && SOURCE_DATE_EPOCH=${epoch} exec sh /usr/local/bin/make-efi ${arch} ${partial} ${words}`;
    const { exitCode, output } = await runTool(
      docker,
      { image: tools, command: ["sh", "-c", script], work: directory },
      run,
    );
    if (exitCode !== 0) {
      throw new PipelineError(`objcopy could not make ${name}: ${output.trim().split("\n").at(-1)}`);
    }
    const finished = join(directory, name);
    await rename(join(directory, partial), finished);
    return { path: finished, size: (await stat(finished)).size };
  } finally {
    for (const left of [partial, ...Object.keys(texts).map(text)]) {
      await rm(join(directory, left), { force: true });
    }
  }
}
