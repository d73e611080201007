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
  audit: { mutate: ["pipeline/image/rootfs/audit.ts"], tests: ["audit"] },
  scrub: { mutate: ["pipeline/image/rootfs/scrub.ts"], tests: ["scrub"] },
  binaries: { mutate: ["pipeline/build/{binaries,elf}.ts"], tests: ["elf", "binaries", "audit"] },
  // What an image is made of.
  tar: { mutate: ["pipeline/image/rootfs/tar-index.ts"], tests: ["tar-index"] },
  normalise: { mutate: ["pipeline/image/rootfs/normalise.ts"], tests: ["normalise"] },
  reports: { mutate: ["pipeline/build/{budget,fingerprint}.ts"], tests: ["listing", "fingerprint"] },
  // What it is made from, and called.
  inputs: {
    mutate: ["pipeline/schema/names.ts", "pipeline/synth/cells.ts", "pipeline/constructs/lockfile.ts"],
    tests: ["names", "lockfile", "render-cells"],
  },
  // What is on a release.
  answers: {
    mutate: ["pipeline/stores/outgoing.ts", "pipeline/release/github/{api,client,failure}.ts"],
    tests: ["github-failure", "github-releases", "release-rules"],
  },
  github: {
    mutate: ["pipeline/release/github/{drafts,propose,releases,upload}.ts"],
    tests: ["github-releases", "release-faults"],
  },
  directory: {
    mutate: ["pipeline/release/{directory-releases,directory-store,ownership}.ts", "pipeline/schema/mark.ts"],
    tests: ["directory-rules", "directory-store", "directory-releases", "release-rules"],
  },
  runtime: {
    mutate: ["pipeline/runtime/{publish,expected,declared,upload-stage,verify-release,prune}.ts"],
    tests: ["declared", "release-rules", "release-verbs"],
  },
  // What is downloaded, who holds a lock, what is a machine of ours.
  cache: { mutate: ["pipeline/client/cache.ts"], tests: ["cache-rules", "cache"] },
  lock: { mutate: ["pipeline/util/lock.ts"], tests: ["lock", "machines", "registry"] },
  registry: { mutate: ["pipeline/client/machines/registry.ts"], tests: ["machines", "registry"] },
  download: { mutate: ["pipeline/client/{download,mirrors,pull}.ts"], tests: ["choice", "client-pull"] },
  choice: {
    mutate: ["pipeline/client/{manifest,public-key,disk}.ts"],
    tests: ["choice", "damaged-files", "client-pull"],
  },
  machines: { mutate: ["pipeline/client/{start,stop}.ts"], tests: ["start"] },
};
