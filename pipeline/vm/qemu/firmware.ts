import { existsSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Arch } from "../../schema/names.ts";
import { PipelineError } from "../../util/error.ts";
import { sha256File } from "../../util/hash.ts";
import type { Firmware } from "./arguments.ts";

/** Where distributions have QEMU's UEFI firmware: Debian and Ubuntu (packages ovmf and qemu-efi-aarch64), Fedora. */
const FILES: Record<Arch, readonly (readonly [code: string, variables: string])[]> = {
  amd64: [
    ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"],
    ["/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"],
    ["/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"],
  ],
  arm64: [
    ["/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"],
    ["/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", "/usr/share/edk2/aarch64/vars-template-pflash.raw"],
  ],
};
const PACKAGES: Record<Arch, string> = { amd64: "ovmf", arm64: "qemu-efi-aarch64" };

/** The path from which UEFI firmware starts a removable disk. */
export const EFI_PATH: Record<Arch, string> = {
  amd64: "EFI/BOOT/BOOTX64.EFI",
  arm64: "EFI/BOOT/BOOTAA64.EFI",
};

/** Whether UEFI firmware for guests of an arch is installed. */
export const hasFirmware = (arch: Arch): boolean => installed(arch) !== undefined;

const installed = (arch: Arch) => FILES[arch].find((files) => files.every(existsSync));

/**
 * UEFI firmware for a machine, with its variables in `directory`, and what it is: the name of its file and the first digits
 * of that file's sha256. @throws PipelineError if it is not installed
 */
export async function firmwareFor(
  arch: Arch,
  directory: string,
  signal: AbortSignal,
): Promise<Firmware & { readonly title: string }> {
  const found = installed(arch);
  if (!found) {
    throw new PipelineError(`UEFI firmware of QEMU for ${arch} is not installed (${FILES[arch][0]![0]})`, {
      code: "program-missing",
      fix: `install the package ${PACKAGES[arch]}; in this repository \`bash scripts/setup.sh\` does that`,
    });
  }
  const [code, from] = found;
  const variables = join(directory, "efi-variables.fd");
  await copyFile(from, variables);
  return { code, variables, title: `${basename(code)} ${(await sha256File(code, signal)).slice(0, 12)}` };
}
