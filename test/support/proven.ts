import type { Accounted, ProofFacts } from "../../pipeline/schema/facts.ts";

/** The boots that every image on amd64 has passed without KVM. */
export const PROVEN: ProofFacts[] = [
  { vmm: "qemu", machine: "pci", format: "image", accel: "tcg" },
  { vmm: "qemu", machine: "mmio", format: "elf", accel: "tcg" },
];

const none = { files: 0, bytes: 0 };
/** The owners of the files of an image with one package. */
export const ACCOUNTED: Accounted = {
  ...{ deb: { files: 1, bytes: 1 }, apk: none, npm: none, pypi: none },
  ...{ recipe: none, scripts: none, declared: none, unowned: none },
};
