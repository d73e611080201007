import type { PresetCell } from "../cells.ts";
import { kernelId } from "./kernel.ts";
import type { CoordinatesOf, Kind } from "./kind.ts";
import { rootfsAsset, rootfsReport } from "./rootfs.ts";

const presetId = ({ preset, arch, flavor }: CoordinatesOf<PresetCell>) => `${preset}-${arch}-${flavor}`;

export const preset: Kind<PresetCell> = {
  idForm: "<preset>-<arch>-<flavor>",
  id: presetId,
  assets: (coordinates) => [rootfsAsset(presetId(coordinates))],
  anyArch: false,
  dependsOn: { kernel: kernelId, base: (cell) => cell.base },
  matrix: "presets",
  ...rootfsReport,
};
