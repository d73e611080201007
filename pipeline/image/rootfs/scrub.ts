/**
 * What is left out of every image, or written anew: traces of the machine and the time of the build,
 * caches, and what nobody reads in a microVM. The audit checks the result on its own.
 */

/** Whole subtrees, by their root. */
const SUBTREES = [
  /^\.dockerenv$/,
  /^(dev|proc|sys|run|tmp|var\/tmp)\/./,
  // Bytecode is made from sources that are there, and holds their times.
  /(^|\/)__pycache__$/,
  /^(root|home\/[^/]+)\/\.(npm|cache|config|local|[a-z]+_history|wget-hsts|node_repl_history)$/,
  /^usr\/share\/(man|info|lintian)\/./,
];

/** Files alone: the directories around them stay, because programs expect them. */
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
  // For compilers and debuggers. TypeScript reads its own declarations when it runs.
  /^usr\/(local\/)?include\//,
  /^usr\/lib\/.*\/perl\/.*\/CORE\/.*\.h$/,
  /^opt\/.*\/node_modules\/(?!(.*\/)?typescript\/lib\/).*\.(d\.[cm]?ts|([cm]?[jt]s|css)\.map)$/,
];

/** Whether the file or directory at `path` is left out, because of itself or of what it lies in. */
export function isScrubbed(path: string, type: string): boolean {
  const parts = path.split("/");
  const within = parts.map((_, depth) => parts.slice(0, depth + 1).join("/"));
  if (within.some((ancestor) => SUBTREES.some((pattern) => pattern.test(ancestor)))) return true;
  return type !== "directory" && FILES.some((pattern) => pattern.test(path));
}

interface Setting {
  /** Seconds since 1970. */
  readonly epoch: number;
  /** Accounts that keep the password that they have. */
  readonly passwords: ReadonlySet<string>;
}
type Rewrite = (content: string, setting: Setting) => string;

/** Files whose content is the image's, not the builder's. Each is given the content it had. */
export const REWRITTEN: ReadonlyMap<string, Rewrite> = new Map<string, Rewrite>([
  ["etc/hostname", () => "smolvm\n"],
  ["etc/hosts", () => "127.0.0.1\tlocalhost smolvm\n::1\tlocalhost ip6-localhost ip6-loopback\n"],
  ["etc/shadow", lockedShadow],
  ["etc/gshadow", (content) => content.replace(/^([^:\n]+):[^:\n]*:/gm, (_, group: string) => `${group}:*:`)],
]);

/** No account has a password unless it was asked for, and none was changed on the day of the build. */
function lockedShadow(content: string, { epoch, passwords }: Setting): string {
  const day = Math.floor(epoch / 86_400);
  return content.replace(
    /^([^:\n]+):([^:\n]*):[^:\n]*:/gm,
    (_, user: string, password: string) => `${user}:${passwords.has(user) ? password : "*"}:${day}:`,
  );
}
