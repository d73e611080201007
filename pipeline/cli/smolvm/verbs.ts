import type { Verb } from "../shared/verbs.ts";

/** The commands of `smolvm`, in the order in which help lists them. */
export const VERBS: Readonly<Record<string, Verb>> = {
  create: {
    description: "start a machine from the bare base, run a command in it or a shell, and throw it away",
    load: async () => (await import("./machine.ts")).createCommand,
  },
  start: {
    description: "start a machine with an agent: `smolvm codex start --flavor alpine -- codex --version`",
    load: async () => (await import("./machine.ts")).startCommand,
  },
  ps: {
    description: "list the machines that run",
    load: async () => (await import("./machines.ts")).psCommand,
  },
  ssh: {
    description: "run a command in a machine that stays, or a shell",
    load: async () => (await import("./machines.ts")).sshCommand,
  },
  stop: {
    description: "power machines off that stay, and throw away what they wrote",
    load: async () => (await import("./machines.ts")).stopCommand,
  },
  pull: {
    description: "fetch an image, and print where its kernel and root file system are",
    load: async () => (await import("./images.ts")).pullCommand,
  },
  images: {
    description: "list what is offered, and what is here",
    load: async () => (await import("./images.ts")).imagesCommand,
  },
  prune: {
    description:
      "remove cached images: of a flavor, long unused, or of other releases; always what is of no use",
    load: async () => (await import("./images.ts")).pruneCommand,
  },
};
