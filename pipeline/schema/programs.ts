/** The path in the build's context of the program that gets `path` in the image. The runtime fetches it for each build. */
export const programInContext = (path: string): string => `programs${path}`;
