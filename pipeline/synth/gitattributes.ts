import { marker } from "./marker.ts";

export const ATTRIBUTES_PATH = ".gitattributes";

/** `.gitattributes`: marks generated files for reviews, and records which files synth has written. */
export function renderAttributes(paths: readonly string[]): string {
  const lines = [ATTRIBUTES_PATH, ...paths].sort().map((path) => `/${path} linguist-generated text eol=lf`);
  return `${marker("#")}\n${lines.join("\n")}\n`;
}

/** The paths that the present `.gitattributes` marks as generated. They are untrusted: check each before deleting it. */
export function generatedPaths(attributes: string): string[] {
  const paths = attributes
    .split("\n")
    .map((line) => /^\/(\S+) linguist-generated\b/.exec(line)?.[1])
    .filter((path) => path !== undefined);
  return [...new Set(paths)];
}
