/** Files that Stryker breaks, and the tests that must notice: those that call them in the process of the test. */
export interface Group {
  /** Patterns, from the root. */
  readonly mutate: readonly string[];
  /** Names in `test/unit`. A test that spawns the command line notices nothing: a mutant is in this process alone. */
  readonly tests: readonly string[];
}

/** What protects people, by what it protects them from. Small groups: each mutant costs the start of its tests. */
export const GROUPS: Readonly<Record<string, Group>> = {
  // What must not be in an image.
  audit: { mutate: ["pipeline/image/rootfs/audit.ts"], tests: ["image/rootfs/audit"] },
  scrub: { mutate: ["pipeline/image/rootfs/scrub.ts"], tests: ["image/rootfs/scrub"] },
  binaries: {
    mutate: ["pipeline/image/rootfs/{binaries,elf}.ts"],
    tests: ["image/rootfs/elf", "image/rootfs/binaries", "image/rootfs/audit"],
  },
  // What an image is made of.
  tar: { mutate: ["pipeline/image/rootfs/tar-index.ts"], tests: ["image/rootfs/tar-index"] },
  normalise: { mutate: ["pipeline/image/rootfs/normalise.ts"], tests: ["image/rootfs/normalise"] },
  reports: {
    mutate: ["pipeline/image/rootfs/{budget,fingerprint}.ts"],
    tests: ["image/rootfs/listing", "image/rootfs/fingerprint"],
  },
  // What it is made from, and called.
  inputs: {
    mutate: [
      "pipeline/schema/{names,kinds/*}.ts",
      "pipeline/synth/cells.ts",
      "pipeline/constructs/lockfile.ts",
    ],
    tests: ["schema/names", "schema/kinds", "constructs/lockfile", "synth/render-cells"],
  },
  // What is on a release.
  answers: {
    mutate: ["pipeline/stores/outgoing.ts", "pipeline/stores/github/{api,client,failure}.ts"],
    tests: ["stores/github/failure", "stores/github/releases", "release/rules"],
  },
  github: {
    mutate: ["pipeline/stores/github/{drafts,propose,releases,upload}.ts"],
    tests: ["stores/github/releases", "release/faults"],
  },
  directory: {
    mutate: ["pipeline/stores/directory/*.ts", "pipeline/schema/mark.ts"],
    tests: ["stores/directory/rules", "stores/directory/releases", "release/rules"],
  },
  release: {
    mutate: ["pipeline/release/{publish,expected,upload,verify,prune}.ts", "pipeline/plan/freshness.ts"],
    tests: ["plan/freshness", "release/rules", "release/verbs"],
  },
  // What publish takes from the other jobs of a run.
  handed: {
    mutate: ["pipeline/release/{artifact,artifacts,attestations,derived,digests,handed-facts}.ts"],
    tests: ["release/artifacts", "release/attestations", "release/handed-facts", "release/rules"],
  },
  // What is downloaded, who holds a lock, what is a machine of ours.
  cache: { mutate: ["pipeline/client/cache.ts"], tests: ["client/cache-rules", "client/cache"] },
  lock: {
    mutate: ["pipeline/util/lock.ts"],
    tests: ["util/lock", "client/machines/machines", "client/machines/registry"],
  },
  registry: {
    mutate: ["pipeline/client/machines/registry.ts"],
    tests: ["client/machines/machines", "client/machines/registry"],
  },
  download: {
    mutate: ["pipeline/client/{download,mirrors,pull,unpack}.ts", "pipeline/util/download/*.ts"],
    tests: ["client/choice", "client/pull", "util/download/download", "util/download/verified-file"],
  },
  retry: { mutate: ["pipeline/util/retry.ts"], tests: ["util/retry"] },
  choice: {
    mutate: ["pipeline/client/{manifest,public-key}.ts", "pipeline/client/machines/disk.ts"],
    tests: ["client/choice", "runtime/damaged-files", "client/pull"],
  },
  machines: {
    mutate: ["pipeline/client/machines/{start,stop}.ts"],
    tests: ["client/machines/start"],
  },
};
