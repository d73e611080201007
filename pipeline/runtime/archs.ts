import type Docker from "dockerode";
import { runsPrograms } from "../image/docker/emulation.ts";
import type { Cell } from "../schema/cells.ts";
import { buildsOn } from "../schema/kinds/index.ts";
import type { Arch } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import type { Progress } from "../util/progress.ts";

/** The archs whose programs Docker runs: its own, and those of `selected` that it emulates. */
export async function archsFor(docker: Docker, native: Arch, selected: readonly Cell[]): Promise<Arch[]> {
  const archs: Arch[] = [native];
  for (const arch of new Set(selected.map((cell) => cell.arch))) {
    if (arch !== native && (await runsPrograms(docker, arch))) archs.push(arch);
  }
  return archs;
}

/**
 * Warns of cells that are built under emulation. @throws PipelineError if Docker cannot build a cell
 * @param archs the archs whose programs Docker runs
 */
export function checkArchs(
  selected: readonly Cell[],
  native: Arch,
  archs: readonly Arch[],
  progress: Pick<Progress, "warn">,
): void {
  const refused = selected.find((cell) => !archs.some((arch) => buildsOn(arch, cell)));
  if (refused) {
    const { id, arch } = refused;
    throw new PipelineError(
      `${id} must be built on ${arch}, but this machine's Docker runs on ${native} and does not emulate ${arch}`,
      { code: "wrong-arch", fix: `${EMULATION_FIX}, or build it on ${arch}, as the workflow does` },
    );
  }
  const emulated = selected.filter(({ arch }) => arch !== native && archs.includes(arch));
  if (emulated.length === 0) return;
  const ids = emulated.map(({ id }) => id).join(", ");
  progress.warn(
    `Docker runs on ${native} and emulates ${emulated[0]!.arch}, so this build takes minutes longer: ${ids}`,
  );
}

/** What makes Docker run programs of another arch. */
export const EMULATION_FIX =
  "install qemu-user-static and binfmt-support on the machine that Docker runs on (`npx smolvm-images setup`)";
