/** The values without duplicates, in the order of their first occurrence. */
export const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];
