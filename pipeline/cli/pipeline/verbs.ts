import type { Verb } from "../shared/verbs.ts";

/** The commands of `smolvm-images`, in the order in which help lists them. */
export const VERBS: Readonly<Record<string, Verb>> = {
  init: {
    description: "create a project here: images.ts with one base and one preset, and the generated files",
    load: async () => (await import("./init.ts")).initCommand,
  },
  synth: {
    description: "generate the workflows, Dockerfiles, cells and manifest from images.ts",
    load: async () => (await import("./synth.ts")).synthCommand,
  },
  diff: {
    description: "show what synth would change, as a unified diff",
    load: async () => (await import("./diff.ts")).diffCommand,
  },
  list: {
    description: "list the cells that can be built",
    load: async () => (await import("./list.ts")).listCommand,
  },
  graph: {
    description:
      "draw which image is made from which, or the jobs of the release workflow, as Mermaid or SVG",
    load: async () => (await import("./graph.ts")).graphCommand,
  },
  manifest: {
    description:
      "print the manifest as JSON or as a Python module, with the names that another reader expects",
    load: async () => (await import("./manifest.ts")).manifestCommand,
  },
  plan: {
    description: "list which published cells must be built, and pass them to the workflow's matrices",
    load: async () => (await import("./plan.ts")).planCommand,
  },
  cell: {
    description: "build cells, boot them, and stage the verified assets",
    load: async () => (await import("./cell.ts")).cellCommand,
  },
  release: {
    description: "publish finished cells on a release, and maintain releases",
    load: async () => (await import("./release.ts")).releaseCommand,
  },
  repro: {
    description: "build cells twice without caches, and compare the bytes",
    load: async () => (await import("./repro.ts")).reproCommand,
  },
  preset: {
    description: "add a preset, change its version, or remove it",
    load: async () => (await import("./preset.ts")).presetCommand,
  },
  bump: {
    description: "change the tag of the release, refresh pins, or bring presets to their newest versions",
    load: async () => (await import("./bump.ts")).bumpCommand,
  },
  drift: {
    description: "list what is pinned, what is newest, and how long it is supported",
    load: async () => (await import("./drift.ts")).driftCommand,
  },
  setup: {
    description:
      "install the programs that building and booting need: QEMU, zstd, mmdebstrap, … (Debian, Ubuntu)",
    load: async () => (await import("./setup.ts")).setupCommand,
  },
  doctor: {
    description:
      "check this machine for everything that building and booting need, and say how to fix problems",
    load: async () => (await import("./doctor.ts")).doctorCommand,
  },
};
