import type { Rootfs } from "./normalise.ts";
import type { Entry } from "./tar-index.ts";

/** Paths that no image may have, with what they would give away. Independent of what is scrubbed. */
const FORBIDDEN: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/^etc\/ssh\/ssh_host_.*key/, "an SSH host key: every machine must make its own"],
  [/^(etc|var\/lib\/dbus)\/machine-id$/, "a machine-id: every machine must make its own"],
  [/^etc\/resolv\.conf$/, "the builder's name servers"],
  [/(^|\/)\.ssh\/(authorized_keys|id_)/, "somebody's SSH key"],
  [/^(root|home\/[^/]+)\/\.([a-z]+_history|npmrc|netrc|docker|aws|git-credentials)/, "the builder's account"],
  [/^(root|home\/[^/]+)\/\.(npm|cache)\//, "a cache of the build"],
  [/^(tmp|run|var\/tmp)\//, "a temporary file of the build"],
  [/^usr\/local\/share\/ca-certificates\//, "a CA of the build's network"],
];

/** Directories that may hold no file: logs and caches. */
const EMPTY = /^var\/(log|cache\/(apt|apk|ldconfig|man)|lib\/apt\/lists)\//;

/** Something a finished image must not have: which path, and what is wrong with it. */
export interface Finding {
  readonly path: string;
  readonly what: string;
}

/** A value that must not be in any file of an image, under the name by which a finding may call it. */
export interface Secret {
  readonly name: string;
  readonly value: string;
}

/**
 * Checks a root file system while its bytes pass on their way into the image. `chunk` is given every
 * piece of every file, in order; `findings` is to be called after the last one.
 */
export class Audit {
  readonly #secrets: readonly { name: string; bytes: Buffer }[];
  readonly #overlap: number;
  readonly #found: Finding[] = [];
  #path = "";
  #tail: Buffer = Buffer.alloc(0);

  constructor(secrets: readonly Secret[]) {
    this.#secrets = secrets
      .filter(({ value }) => value.length >= 8)
      .map(({ name, value }) => ({ name, bytes: Buffer.from(value) }));
    this.#overlap = Math.max(0, ...this.#secrets.map(({ bytes }) => bytes.length - 1));
  }

  chunk(entry: Entry, chunk: Buffer): void {
    if (this.#secrets.length === 0) return;
    // A value may straddle two chunks: the end of the one before is looked at again.
    const bytes = entry.path === this.#path ? Buffer.concat([this.#tail, chunk]) : chunk;
    for (const secret of this.#secrets) {
      if (bytes.includes(secret.bytes)) this.#found.push({ path: entry.path, what: `holds ${secret.name}` });
    }
    this.#path = entry.path;
    this.#tail = bytes.subarray(Math.max(0, bytes.length - this.#overlap));
  }

  async findings(rootfs: Rootfs): Promise<Finding[]> {
    const all = [
      ...this.#found,
      ...forbiddenPaths(rootfs),
      ...(await accounts(rootfs)),
      ...(await owners(rootfs)),
    ];
    return [...new Map(all.map((finding) => [`${finding.path} ${finding.what}`, finding])).values()];
  }
}

function forbiddenPaths(rootfs: Rootfs): Finding[] {
  return rootfs.entries.flatMap((entry) => {
    const forbidden = FORBIDDEN.filter(([pattern]) => pattern.test(entry.path)).map(
      ([, what]) => `is ${what}`,
    );
    if (entry.type !== "directory" && EMPTY.test(entry.path))
      forbidden.push("is a log or a cache of the build");
    return forbidden.map((what) => ({ path: entry.path, what }));
  });
}

/** No account can log in with a password, an empty one least of all. */
async function accounts(rootfs: Rootfs): Promise<Finding[]> {
  const passwords = async (path: string, none: RegExp) =>
    lines(await rootfs.read(path))
      .filter(([, password]) => !none.test(password ?? ""))
      .map(([user, password]) => ({
        path,
        what: password ? `holds a password hash of ${user}` : `lets ${user} in without a password`,
      }));
  return [
    ...(await passwords("etc/passwd", /^(x|\*|!)$/)),
    ...(await passwords("etc/shadow", /^(\*|!|!!|!\*)$/)),
    ...(await passwords("etc/group", /^(x|\*|!)?$/)),
    ...(await passwords("etc/gshadow", /^(\*|!|!!|!\*)?$/)),
  ];
}

/** Every file belongs to an account of the image; a builder's uid is none. */
async function owners(rootfs: Rootfs): Promise<Finding[]> {
  const ids = async (path: string) => new Set(lines(await rootfs.read(path)).map(([, , id]) => Number(id)));
  const [uids, gids] = [await ids("etc/passwd"), await ids("etc/group")];
  return rootfs.entries
    .filter(({ uid, gid }) => !(uids.has(uid) && gids.has(gid)))
    .map(({ path, uid, gid }) => ({
      path,
      what: `is owned by ${uid}:${gid}, which is no account of the image`,
    }));
}

const lines = (text: string | undefined) =>
  (text ?? "")
    .split("\n")
    .filter((line) => line)
    .map((line) => line.split(":"));
