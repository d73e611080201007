import type { Embedded } from "./constructs/index.ts";

/**
 * The programs and libraries that the presets' npm packages carry inside, and that no package.json names. Paths are relative
 * to `node_modules`. A version is read from the files themselves; what does not say its version has none in the inventory.
 */

const CODEX = "@openai/codex-linux-*/vendor/*";

export const CODEX_EMBEDS: readonly Embedded[] = [
  {
    name: "ripgrep",
    ...{ type: "cargo", license: "MIT OR Unlicense" },
    files: [`${CODEX}/codex-path/rg`],
    // The version and the ten digits of the revision, as `rg --version` prints them, follow each other in the program.
    version: { match: "(\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}?)[0-9a-f]{10}(?![0-9a-f])" },
  },
  // It says `bubblewrap built for Codex`, and no version.
  { name: "bubblewrap", license: "LGPL-2.0-or-later", files: [`${CODEX}/codex-resources/bwrap`] },
];

export const CLAUDE_CODE_EMBEDS: readonly Embedded[] = [
  {
    // The runtime that its JavaScript is compiled into. GitHub's advisories name it as the npm package.
    name: "bun",
    type: "npm",
    files: ["@anthropic-ai/claude-code-linux-*/claude"],
    version: { match: "Bun v(\\d+\\.\\d+\\.\\d+) \\(" },
  },
];
