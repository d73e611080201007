import { Option } from "commander";
import { ACCELS } from "../../vm/accel.ts";

/** The option `--accel`. */
export const accelOption = () =>
  new Option(
    "--accel <accel>",
    "the accelerator of guests (SMOLVM_ACCEL; default: kvm, or tcg if KVM does not work)",
  ).choices(ACCELS);
