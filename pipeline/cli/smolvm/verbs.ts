import type { Verb } from "../shared/verbs.ts";

/** The commands of `smolvm`, in the order in which help lists them. */
export const VERBS: Readonly<Record<string, Verb>> = {
  create: {
    description: "start a machine without an agent, run a command or a shell in it, and remove the machine",
    load: async () => (await import("./machine.ts")).createCommand,
  },
  start: {
    description: "start a machine with an agent: `smolvm codex start --flavor alpine -- codex --version`",
    load: async () => (await import("./machine.ts")).startCommand,
  },
  ps: {
    description: "list the running machines",
    load: async () => (await import("./machines.ts")).psCommand,
  },
  ssh: {
    description: "run a command or a shell in a running machine",
    load: async () => (await import("./machines.ts")).sshCommand,
  },
  stop: {
    description: "power off running machines, and remove their disks",
    load: async () => (await import("./machines.ts")).stopCommand,
  },
  pull: {
    description: "download an image, and print the paths of its kernel and root file system",
    load: async () => (await import("./images.ts")).pullCommand,
  },
  images: {
    description: "list the images that are offered, and which are in the cache",
    load: async () => (await import("./images.ts")).imagesCommand,
  },
  prune: {
    description: "remove cached images by flavor, age or release, and always incomplete or damaged files",
    load: async () => (await import("./images.ts")).pruneCommand,
  },
};
