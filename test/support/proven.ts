import type { ProofFacts } from "../../pipeline/schema/facts.ts";

/** The boots that every image on amd64 has passed without KVM. */
export const PROVEN: ProofFacts[] = [
  { vmm: "qemu", machine: "pci", format: "image", accel: "tcg" },
  { vmm: "qemu", machine: "mmio", format: "elf", accel: "tcg" },
];
