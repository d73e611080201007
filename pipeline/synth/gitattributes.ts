import { marker } from "./marker.ts";

export const ATTRIBUTES_PATH = ".gitattributes";

/** `.gitattributes`: marks what is generated for reviews, and is the record of what synth once wrote. */
export function renderAttributes(paths: readonly string[]): string {
  const lines = [ATTRIBUTES_PATH, ...paths].sort().map((path) => `/${path} linguist-generated text eol=lf`);
  return `${marker("#")}\n${lines.join("\n")}\n`;
}

/** The paths that an earlier `.gitattributes` names as generated. Untrusted: whoever deletes one checks it. */
export function generatedPaths(attributes: string): string[] {
  const paths = attributes
    .split("\n")
    .map((line) => /^\/(\S+) linguist-generated\b/.exec(line)?.[1])
    .filter((path) => path !== undefined);
  return [...new Set(paths)];
}
