import type { InitramfsCell } from "../../../schema/cells.ts";
import { PipelineError } from "../../../util/error.ts";
import type { Steps } from "../steps.ts";

const never = () => {
  throw new PipelineError("appliances cannot be built yet");
};

/** An appliance: a kernel and an initramfs that runs from memory. */
export const initramfs: Steps<InitramfsCell> = {
  overrides: () => [],
  build: never,
  built: never,
  prepare: never,
  reproduce: never,
};
