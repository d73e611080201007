/** zstd's level of what is published: another one makes other bytes. */
export const DEFAULT_LEVEL = 19;

/** How far back zstd looks for matches, as a power of two of bytes: the largest that every decoder takes without being asked to. */
export const ZSTD_WINDOW_LOG = 27;

/** What starts a machine unless its user asks for another. */
export const DEFAULT_VMM = "qemu";

/** What a machine has unless its user asks for more: MiB, and processors. */
export const DEFAULT_MEMORY_MIB = 1024;
export const DEFAULT_CPUS = 2;
