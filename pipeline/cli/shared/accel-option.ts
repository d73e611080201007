import { Option } from "commander";
import { ACCELS } from "../../vm/accel.ts";

/** Decides by hand what runs a guest's instructions. */
export const accelOption = () =>
  new Option(
    "--accel <accel>",
    "what runs guests (SMOLVM_ACCEL; default: KVM, or emulation where it fails)",
  ).choices(ACCELS);
