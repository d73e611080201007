/** The zstd level of published assets. Another level gives other bytes. */
export const DEFAULT_LEVEL = 19;

/** zstd's window size as a power of two, bytes. It is the largest window that decoders accept without a special option. */
export const ZSTD_WINDOW_LOG = 27;

/** The VMM of a machine, unless the user chooses another. */
export const DEFAULT_VMM = "qemu";

/** The memory (MiB) and the number of processors of a machine, unless the user gives others. */
export const DEFAULT_MEMORY_MIB = 1024;
export const DEFAULT_CPUS = 2;
