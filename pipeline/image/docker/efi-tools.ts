import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type Docker from "dockerode";
import { PACKING_FILES } from "../../schema/initramfs/files.ts";
import type { Arch } from "../../schema/names.ts";
import { locate } from "../../schema/recipes.ts";
import type { Run } from "../../util/progress.ts";
import { buildImage } from "./container-image.ts";
import { hasImage } from "./engine.ts";
import { runTool } from "./tool.ts";
import { dockerArch, type ToolsOptions } from "./tools-image.ts";

/**
 * Builds the image of the container in which the files of appliances of an arch are packed, unless there is one. It has xz
 * and `make-efi`, and its programs are of Docker's arch. Returns its name.
 * @param tools the image of the tool container
 */
export async function ensureEfiTools(
  docker: Docker,
  tools: string,
  arch: Arch,
  { root, network }: Pick<ToolsOptions, "root" | "network">,
  run: Run,
): Promise<string> {
  const recipe = createHash("sha256");
  for (const path of PACKING_FILES) recipe.update(await readFile(locate(root, path)));
  const image = `${tools}-efi-${arch}-${recipe.digest("hex").slice(0, 12)}`;
  if (await hasImage(docker, image)) return image;
  run.progress.step("build the tool container for appliances (xz, EFI stub)");
  const [dockerfile, ...files] = PACKING_FILES;
  await buildImage(
    docker,
    {
      ...{ root, network, dockerfile, tag: image, noCache: false, arch: await dockerArch(docker) },
      files: [...files, "dockerfiles/network/env", "dockerfiles/network/snapshot"],
      args: { TOOLS: tools, ARCH: arch },
    },
    run,
  );
  return image;
}

/** The version of Debian's package with the EFI stub. */
export async function efiStubVersion(docker: Docker, image: string, work: string, run: Run): Promise<string> {
  const { output } = await runTool(
    docker,
    { image, work, command: ["cat", "/usr/lib/systemd-boot-efi.version"] },
    run,
  );
  return output.trim();
}
