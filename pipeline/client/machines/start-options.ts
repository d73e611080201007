import { BOUNDS, type Bounds } from "../../schema/bounds.ts";
import type { Arch, Vmm } from "../../schema/names.ts";
import { PipelineError } from "../../util/error.ts";
import { askedAccel, reasonAgainstKvm } from "../../vm/accel.ts";
import { DRIVERS, driverOf, startableVmms } from "../../vm/vmms.ts";
import { readPublicKey } from "../public-key.ts";
import { checkMachineName } from "./registry.ts";
import type { StartOptions } from "./start.ts";

/** The longest public key, characters. In base64, longer ones do not fit on the kernel's command line (2048 bytes). */
const LONGEST_KEY = 1000;

/**
 * Checks all options before an image is downloaded or anything is written. Returns the text of the public key in the
 * file `key`, if that is set.
 * @throws PipelineError for the first option that is not valid
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
      `--key ${key} has ${text.length} characters, but only ${LONGEST_KEY} fit on the kernel's command line`,
      { fix: "use an ed25519 key" },
    );
  }
  if (name !== undefined) await checkMachineName(name);
  const against = reasonAgainstKvm(options.arch, askedAccel(options.accel));
  if (against && !driver.emulates) {
    const others = startableVmms(({ emulates }) => emulates).join(" or ");
    throw new PipelineError(`${driver.title} needs KVM, but ${against}`, {
      ...{ code: "kvm-unavailable", fix: `use --vmm ${others}` },
    });
  }
  return text;
}

/**
 * Checks that a disk can hold its image.
 * @param imageSize bytes; undefined if it is not known yet
 * @throws PipelineError if the disk is smaller than the image
 */
export function checkDisk(diskMib: number | undefined, imageSize: number | undefined): void {
  if (diskMib === undefined || imageSize === undefined) return;
  const imageMib = Math.ceil(imageSize / 2 ** 20);
  if (diskMib >= imageMib) return;
  throw new PipelineError(`--disk ${diskMib}M is smaller than the image (${imageMib}M)`, {
    fix: `give at least ${imageMib}M, or omit --disk`,
  });
}

function checkNumber(flag: string, value: number | undefined, { least, most }: Bounds, unit = ""): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  throw new PipelineError(`${flag} ${value}${unit && ` ${unit}`} is not valid`, {
    fix: `give a whole number from ${least} to ${most}`,
  });
}

/** Checks that a tap device is given if and only if the VMM needs one, and that its name is valid on Linux. */
function checkTap({ vmm, tap }: { readonly vmm: Vmm; readonly tap?: string | undefined }): void {
  const { needsTap, title } = driverOf(vmm);
  if (!needsTap) {
    if (tap === undefined) return;
    const others = Object.values(DRIVERS).flatMap((each) => (each?.needsTap ? [each.title] : []));
    throw new PipelineError(`--tap is only for ${others.join(" and ")}; ${vmm} makes the network itself`, {
      fix: "omit --tap",
    });
  }
  if (!tap) throw new PipelineError(`${title} needs a tap device`, { fix: "give one with --tap" });
  if (!/^[^/\s\0]{1,15}$/.test(tap) || tap === "." || tap === "..") {
    throw new PipelineError(`--tap "${tap}" is not the name of a network device`, {
      fix: 'give a name of 1 to 15 characters, without "/" and spaces',
    });
  }
}
