/** zstd's level of what is published: another one makes other bytes. */
export const DEFAULT_LEVEL = 19;
