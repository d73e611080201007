import type { Embedded } from "./constructs/index.ts";

/**
 * The programs and libraries that the presets' npm packages carry inside, and that no package.json names. Paths are relative
 * to `node_modules`. A version is read from the files themselves; what does not say its version has none in the inventory.
 */

const CODEX = "@openai/codex-linux-*/vendor/*";
const VOICE = `${CODEX}/codex-resources/voice`;

/** A library of codex's voice host. `sources.json` beside it has the versions that it was built from. */
const voice = (name: string, license: string, files: readonly string[], cpe?: string): Embedded => ({
  ...{ name, license },
  files: files.map((file) => `${VOICE}/lib/${file}`),
  version: { from: `${VOICE}/sources.json`, match: `"name": "${name}",\\s*"version": "([^"]+)"` },
  ...(cpe === undefined ? {} : { cpe }),
});

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
  voice("libffi", "MIT", ["libffi.so.8"], "libffi_project:libffi"),
  voice("pcre2", "BSD-3-Clause", ["libpcre2-8.so.0"], "pcre:pcre2"),
  voice("zlib", "Zlib", ["libz.so.1"], "zlib:zlib"),
  voice("opus", "BSD-3-Clause", ["libopus.so.0"]),
  voice(
    "glib",
    "LGPL-2.1-or-later",
    ["libglib-2.0.so.0", "libgio-2.0.so.0", "libgmodule-2.0.so.0", "libgobject-2.0.so.0"],
    "gnome:glib",
  ),
  voice("proxy-libintl", "LGPL-2.0-or-later", ["libintl.so.8"]),
  voice("gstreamer", "LGPL-2.0-or-later", [
    ...["libgstreamer-1.0.so.0", "libgstbase-1.0.so.0", "libgstnet-1.0.so.0"],
    "gstreamer-1.0/libgstcoreelements.so",
  ]),
  voice("gst-plugins-base", "LGPL-2.0-or-later", [
    ...["libgstallocators-1.0.so.0", "libgstapp-1.0.so.0", "libgstaudio-1.0.so.0", "libgstpbutils-1.0.so.0"],
    ...["libgstrtp-1.0.so.0", "libgsttag-1.0.so.0", "libgstvideo-1.0.so.0", "gstreamer-1.0/libgstapp.so"],
    ...[
      "gstreamer-1.0/libgstaudioconvert.so",
      "gstreamer-1.0/libgstaudioresample.so",
      "gstreamer-1.0/libgstopus.so",
    ],
  ]),
  voice("gst-plugins-good", "LGPL-2.0-or-later", [
    "gstreamer-1.0/libgstrtp.so",
    "gstreamer-1.0/libgstrtpmanager.so",
  ]),
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
