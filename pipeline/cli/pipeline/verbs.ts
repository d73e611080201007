import type { Verb } from "../shared/verbs.ts";

/** The commands of `smolvm-images`, in the order in which help lists them. */
export const VERBS: Readonly<Record<string, Verb>> = {
  init: {
    description: "make a project of one's own here: a base, an agent, and what follows from them",
    load: async () => (await import("./init.ts")).initCommand,
  },
  synth: {
    description: "write the workflows, Dockerfiles, cells and manifest that the tree says",
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
  plan: {
    description: "say which published cells must be built, and hand them to a workflow's matrices",
    load: async () => (await import("./plan.ts")).planCommand,
  },
  cell: {
    description: "build cells, boot them, and stage what has proven to work",
    load: async () => (await import("./cell.ts")).cellCommand,
  },
  release: {
    description: "bring finished cells to a release, and look after releases",
    load: async () => (await import("./release.ts")).releaseCommand,
  },
  repro: {
    description: "build cells twice, from nothing, and compare the bytes",
    load: async () => (await import("./repro.ts")).reproCommand,
  },
  preset: {
    description: "add a preset, bring it to another version, or remove it",
    load: async () => (await import("./preset.ts")).presetCommand,
  },
  setup: {
    description: "install what building and booting images needs: QEMU, zstd, mmdebstrap, … (Debian, Ubuntu)",
    load: async () => (await import("./setup.ts")).setupCommand,
  },
  doctor: {
    description: "look at what building and booting images needs on this machine, and say what to do",
    load: async () => (await import("./doctor.ts")).doctorCommand,
  },
};
