import { humanBytes } from "../../util/human-bytes.ts";
import type { BaseCell, PresetCell } from "../cells.ts";
import { missingProofs, provenOn } from "../facts.ts";
import type { Kind } from "./kind.ts";

/** The asset name of a root file system. */
export const rootfsAsset = (name: string): string => `${name}-rootfs.ext4.zst`;

/** The report on a finished root file system, the same for bases and presets. */
export const rootfsReport: Pick<Kind<BaseCell | PresetCell>, "unproven" | "summary" | "loginMs"> = {
  unproven: missingProofs,
  summary: ({ boot, proven, size, image_size: raw }) => [
    `${humanBytes(size)}, of a ${humanBytes(raw)} image; SSH login after ${(boot.ms / 1000).toFixed(1)} s ` +
      `(${boot.accel}), init ready at ${boot.ready_uptime_s.toFixed(1)} s; booted on ${proven.map(provenOn).join(", ")}`,
    ...(boot.check ? [`${boot.check.command.join(" ")}: ${boot.check.output.split("\n")[0]}`] : []),
  ],
  loginMs: ({ boot }) => boot.ms,
};
