/**
 * What is removed from every image, or rewritten: traces of the machine and the time of the build, caches, and
 * files that are not needed in a microVM. The audit checks the result and does not use these lists.
 */

/** Paths that are removed with everything below them. */
const SUBTREES = [
  /^\.dockerenv$/,
  /^(dev|proc|sys|run|tmp|var\/tmp)\/./,
  // Bytecode contains the times of its sources. Python can make it from them again.
  /(^|\/)__pycache__$/,
  /^(root|home\/[^/]+)\/\.(npm|cache|config|local|[a-z]+_history|wget-hsts|node_repl_history)$/,
  /^usr\/share\/(man|info|lintian)\/./,
];

/** Files that are removed. Their directories stay, because programs expect them. */
const FILES = [
  /^var\/log\//,
  /^var\/cache\/(?!debconf\/)/,
  /^var\/lib\/apt\/lists\//,
  /^var\/lib\/(dpkg\/.*-old|dpkg\/lock.*|apt\/extended_states\.lock)$/,
  /^var\/cache\/debconf\/.*-old$/,
  /^etc\/(passwd|group|shadow|gshadow|subuid|subgid)-$/,
  /^etc\/ssh\/ssh_host_/,
  /^etc\/(machine-id|resolv\.conf|\.pwd\.lock)$/,
  /^var\/lib\/dbus\/machine-id$/,
  /^usr\/share\/doc\/(?!.*\/copyright$)/,
  // npm's own documentation, in two forms.
  /^usr\/local\/lib\/node_modules\/npm\/(docs|man)\//,
  // Files for compilers and debuggers. TypeScript's own declarations stay, because it reads them at run time.
  /^usr\/(local\/)?include\//,
  /^usr\/lib\/.*\/perl\/.*\/CORE\/.*\.h$/,
  /^opt\/.*\/node_modules\/(?!(.*\/)?typescript\/lib\/).*\.(d\.[cm]?ts|([cm]?[jt]s|css)\.map)$/,
];

/** Whether the file or directory at `path` is removed, because of its own path or of a directory above it. */
export function isScrubbed(path: string, type: string): boolean {
  const parts = path.split("/");
  const within = parts.map((_, depth) => parts.slice(0, depth + 1).join("/"));
  if (within.some((ancestor) => SUBTREES.some((pattern) => pattern.test(ancestor)))) return true;
  return type !== "directory" && FILES.some((pattern) => pattern.test(path));
}

interface Setting {
  /** Seconds since 1970. */
  readonly epoch: number;
  /** Accounts whose password is kept. */
  readonly passwords: ReadonlySet<string>;
}
type Rewrite = (content: string, setting: Setting) => string;

/** Files that are rewritten: each path with a function from the old content to the new content. */
export const REWRITTEN: ReadonlyMap<string, Rewrite> = new Map<string, Rewrite>([
  ["etc/hostname", () => "smolvm\n"],
  ["etc/hosts", () => "127.0.0.1\tlocalhost smolvm\n::1\tlocalhost ip6-localhost ip6-loopback\n"],
  ["etc/shadow", lockedShadow],
  ["etc/gshadow", (content) => content.replace(/^([^:\n]+):[^:\n]*:/gm, (_, group: string) => `${group}:*:`)],
]);

/** Removes every password except those of `passwords`, and sets the date of the last change to `epoch`. */
function lockedShadow(content: string, { epoch, passwords }: Setting): string {
  const day = Math.floor(epoch / 86_400);
  return content.replace(
    /^([^:\n]+):([^:\n]*):[^:\n]*:/gm,
    (_, user: string, password: string) => `${user}:${passwords.has(user) ? password : "*"}:${day}:`,
  );
}
