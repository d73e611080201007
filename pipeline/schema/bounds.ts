/** The least and the most that a number may be. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** Of every size and count that a user may give, whether on a command line or to the library. */
export const BOUNDS = {
  /** zstd's, without `--ultra`. */
  level: { least: 1, most: 19 },
  bootTimeoutS: { least: 1, most: 3600 },
  keep: { least: 0, most: 1000 },
  olderThanDays: { least: 0, most: 9999 },
  /** The kernel alone takes 30 MiB. */
  memoryMib: { least: 64, most: 1024 * 1024 },
  /** What the kernel is configured for (CONFIG_NR_CPUS). */
  cpus: { least: 1, most: 64 },
  /** Firecracker's own limit. */
  firecrackerCpus: { least: 1, most: 32 },
  /** ext4's own limit, with blocks of 4 KiB. */
  diskMib: { least: 1, most: 16 * 1024 * 1024 },
  /** Seconds since 1970, of 32 bits: what every format in an image can hold. */
  sourceDateEpoch: { least: 0, most: 2 ** 32 - 1 },
} as const satisfies Record<string, Bounds>;
