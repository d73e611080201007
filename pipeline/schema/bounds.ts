/** The minimum and the maximum of a number, both allowed. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** The bounds of every number that a user can give on a command line or to the library. */
export const BOUNDS = {
  /** zstd levels without `--ultra`. */
  level: { least: 1, most: 19 },
  bootTimeoutS: { least: 1, most: 3600 },
  keep: { least: 0, most: 1000 },
  olderThanDays: { least: 0, most: 9999 },
  /** The kernel alone uses 30 MiB. */
  memoryMib: { least: 64, most: 1024 * 1024 },
  /** The maximum of our kernel (CONFIG_NR_CPUS). */
  cpus: { least: 1, most: 64 },
  /** Firecracker's limit. */
  firecrackerCpus: { least: 1, most: 32 },
  /** The limit of ext4 with blocks of 4 KiB. */
  diskMib: { least: 1, most: 16 * 1024 * 1024 },
  /** Seconds since 1970. Every format in an image can hold 32 bits. */
  sourceDateEpoch: { least: 0, most: 2 ** 32 - 1 },
} as const satisfies Record<string, Bounds>;
