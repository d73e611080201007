import type { BaseCell } from "../cells.ts";
import { kernelId } from "./kernel.ts";
import type { Kind } from "./kind.ts";
import { rootfsAsset, rootfsReport } from "./rootfs.ts";

const DIRECTORY = "out/cache/bases";

export const base: Kind<BaseCell> = {
  idForm: "base-<arch>-<flavor>",
  id: ({ arch, flavor }) => `base-${arch}-${flavor}`,
  // The default flavor is not named: that is the base that users get unless they ask for another.
  assets: ({ arch, flavor }, defaultFlavor) => [
    rootfsAsset(flavor === defaultFlavor ? `base-${arch}` : `base-${arch}-${flavor}`),
  ],
  anyArch: false,
  leansOn: { kernel: kernelId },
  matrix: "bases",
  handedOn: {
    made: "container image",
    taken: "base's container image",
    directory: DIRECTORY,
    flags: `--bases ${DIRECTORY}`,
    cached: false,
  },
  ...rootfsReport,
};
