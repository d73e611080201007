import type { BaseCell } from "../cells.ts";
import { kernelId } from "./kernel.ts";
import type { Kind } from "./kind.ts";
import { rootfsAsset, rootfsReport } from "./rootfs.ts";

const DIRECTORY = "out/cache/bases";

export const base: Kind<BaseCell> = {
  idForm: "base-<arch>-<flavor>",
  id: ({ arch, flavor }) => `base-${arch}-${flavor}`,
  // The name of the default flavor's base does not contain the flavor, because that is the base users get by default.
  assets: ({ arch, flavor }, defaultFlavor) => [
    rootfsAsset(flavor === defaultFlavor ? `base-${arch}` : `base-${arch}-${flavor}`),
  ],
  anyArch: false,
  dependsOn: { kernel: kernelId },
  matrix: "bases",
  handedOn: {
    made: "container image",
    taken: "base's container image",
    directory: DIRECTORY,
    flags: `--bases ${DIRECTORY}`,
    // A base needs the kernel only when it boots.
    stage: "container",
    // Kernels are compiled meanwhile, and neither the base's own job nor those of its presets compress these again.
    stageFlags: "--frames",
  },
  ...rootfsReport,
};
