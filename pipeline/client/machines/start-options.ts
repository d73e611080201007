import { BOUNDS, type Bounds } from "../../schema/bounds.ts";
import type { Arch, Vmm } from "../../schema/names.ts";
import { PipelineError } from "../../util/error.ts";
import { askedAccel, reasonAgainstKvm } from "../../vm/accel.ts";
import { DRIVERS, driverOf, startableVmms } from "../../vm/vmms.ts";
import { readPublicKey } from "../public-key.ts";
import { checkMachineName } from "./registry.ts";
import type { StartOptions } from "./start.ts";

/** Longer keys do not fit on the kernel's command line (2048 bytes), where they stand as base64, characters. */
const LONGEST_KEY = 1000;

/**
 * Looks at everything that is asked of a machine, before an image is fetched for it or anything is written. Returns the
 * text of the public key that `key` names.
 * @throws PipelineError at the first option that no machine can be started with
 */
export async function checkStartOptions(
  options: StartOptions & { readonly arch: Arch; readonly vmm: Vmm },
): Promise<string | undefined> {
  const { name, vmm, memoryMib, cpus, diskMib, key } = options;
  const driver = driverOf(vmm);
  checkNumber("--memory", memoryMib, driver.memoryMib, "MiB");
  checkNumber("--disk", diskMib, BOUNDS.diskMib, "MiB");
  checkNumber("--cpus", cpus, driver.cpus);
  checkTap(options);
  const text = key === undefined ? undefined : (await readPublicKey(key)).text;
  if (text !== undefined && text.length > LONGEST_KEY) {
    throw new PipelineError(
      `--key ${key} has ${text.length} characters, and ${LONGEST_KEY} fit on the kernel's command line: use an ed25519 key`,
    );
  }
  if (name !== undefined) await checkMachineName(name);
  const against = driver.emulates ? undefined : reasonAgainstKvm(options.arch, askedAccel(options.accel));
  if (against) {
    const others = startableVmms(({ emulates }) => emulates).join(" or ");
    throw new PipelineError(`${driver.title} needs KVM, but ${against}`, {
      ...{ code: "kvm-unavailable", fix: `use --vmm ${others}` },
    });
  }
  return text;
}

function checkNumber(flag: string, value: number | undefined, { least, most }: Bounds, unit = ""): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  throw new PipelineError(
    `${flag} ${value}${unit && ` ${unit}`}: give a whole number from ${least} to ${most}`,
  );
}

/** The names that Linux gives to network devices. */
function checkTap({ vmm, tap }: { readonly vmm: Vmm; readonly tap?: string | undefined }): void {
  const { needsTap, title } = driverOf(vmm);
  if (!needsTap) {
    if (tap === undefined) return;
    const others = Object.values(DRIVERS).flatMap((each) => (each?.needsTap ? [each.title] : []));
    throw new PipelineError(
      `--tap is for ${others.join(" and ")}, and ${vmm} has a network of its own: leave --tap out`,
    );
  }
  if (!tap) throw new PipelineError(`${title} needs a network: give a tap device with --tap`);
  if (!/^[^/\s\0]{1,15}$/.test(tap) || tap === "." || tap === "..") {
    throw new PipelineError(
      `--tap "${tap}": a network device's name has 1 to 15 characters, and no "/" or space`,
    );
  }
}
