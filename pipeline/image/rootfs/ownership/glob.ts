/** Whether a path matches a pattern in which `*` stands for any characters but `/`, and `**` for any characters. */
export function globs(pattern: string): (path: string) => boolean {
  const source = pattern
    .split(/(\*\*|\*)/)
    .map((part) =>
      part === "**" ? ".*" : part === "*" ? "[^/]*" : part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"),
    )
    .join("");
  const expression = new RegExp(`^${source}$`, "s");
  return (path) => expression.test(path);
}
