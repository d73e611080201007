import { TOOLS_LOCK } from "../constructs/base-rootfs.ts";
import type { Release } from "../constructs/release.ts";
import type { Cells, MadeFrom } from "../schema/cells.ts";
import { PipelineError } from "../util/error.ts";
import { filesByName, hashInputs, imageByName, readInput } from "./inputs.ts";

const TOOLS_DOCKERFILE = "dockerfiles/tools/Dockerfile";
const TOOLS_FILES = [
  "dockerfiles/network/env",
  "dockerfiles/network/snapshot",
  "dockerfiles/tools/package.json",
  TOOLS_LOCK,
];

/** The tool container, and its inputs by name. */
export interface Tools {
  readonly cell: Cells["tools"];
  readonly made_from: MadeFrom;
}

/** The tool container, which is made from Debian: the image that its Dockerfile names, or else mmdebstrap. */
export function renderTools(release: Release): Tools {
  const text = readInput(release, TOOLS_DOCKERFILE);
  const image = /^ARG ROOTFS=(\S+)$/m.exec(text)?.[1];
  if (!image) throw new PipelineError(`${TOOLS_DOCKERFILE}: no line ARG ROOTFS=image@sha256:…`);
  const recipe = {
    dockerfile: TOOLS_DOCKERFILE,
    files: TOOLS_FILES,
    sources: [
      { from: "image" as const, image },
      { from: "mmdebstrap" as const, suite: "trixie" },
    ],
  };
  const inputs = { recipe, text };
  return {
    cell: { ...recipe, inputs: hashInputs(release, inputs) },
    made_from: { "tools image": imageByName(image), ...filesByName(release, inputs) },
  };
}
