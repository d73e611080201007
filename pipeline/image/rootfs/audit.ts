import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { Arch } from "../../schema/names.ts";
import { elfFiles, whyNotLoadable } from "./binaries.ts";
import { isElf } from "./elf.ts";
import { FileTree } from "./file-tree.ts";
import type { Finding, FindingId } from "./findings.ts";
import type { Rootfs } from "./normalise.ts";
import type { UnownedFile } from "./ownership/account.ts";
import type { Content, Entry } from "./tar-index.ts";

/** Paths that no image may have. The list does not depend on what `scrub.ts` removes, so that the audit finds its mistakes. */
const FORBIDDEN: readonly (readonly [id: FindingId, pattern: RegExp, what: string])[] = [
  ["host-key", /^etc\/ssh\/ssh_host_.*key/, "an SSH host key: every machine must make its own"],
  ["machine-id", /^(etc|var\/lib\/dbus)\/machine-id$/, "a machine-id: every machine must make its own"],
  ["name-servers", /^etc\/resolv\.conf$/, "a list of the build machine's name servers"],
  ["ssh-key", /(^|\/)\.ssh\/(authorized_keys|id_)/, "an SSH key of a user"],
  [
    "account-file",
    /^(root|home\/[^/]+)\/\.([a-z]+_history|npmrc|netrc|docker|aws|git-credentials)/,
    "a file of the builder's account",
  ],
  ["build-cache", /^(root|home\/[^/]+)\/\.(npm|cache)\//, "a cache of the build"],
  ["temporary-file", /^(tmp|run|var\/tmp)\//, "a temporary file of the build"],
  ["network-ca", /^usr\/local\/share\/ca-certificates\//, "a CA of the build's network"],
];

/** Directories that may hold no file: logs and caches. */
const EMPTY = /^var\/(log|cache\/(apt|apk|ldconfig|man)|lib\/apt\/lists)\//;

/** A value that must not be in any file of an image. Findings show its `name`, never the value. */
export interface Secret {
  readonly name: string;
  readonly value: string;
}

/** The setuid and setgid programs of the distributions that an image may have. */
const SETUID = new Set([
  ...["chage", "chfn", "chsh", "expiry", "gpasswd", "mount", "newgrp", "passwd", "ssh-agent", "su", "umount"],
  ...["bbsuid", "unix_chkpwd", "ssh-keysign"],
]);

/** Only programs of at least this size are compared with each other, bytes. */
const LARGE_PROGRAM = 1 << 20;

/** The expectations that an image is checked against. */
export interface Meant {
  readonly arch: Arch;
  /** The command of its users; null for a base. */
  readonly program: string | null;
  /** The credential of root that the image may have. @default none: a machine gets its key when it starts */
  readonly login?: "key" | "password" | undefined;
  /** Values of the build's environment that it must not contain. */
  readonly secrets: readonly Secret[];
}

/**
 * Checks a root file system while its bytes are written into the image. Call `chunk` with every chunk of
 * every file, in order, and then `findings`; `inspect` may be called before.
 */
export class Audit {
  readonly #secrets: readonly { name: string; bytes: Buffer }[];
  readonly #overlap: number;
  readonly #found: Finding[] = [];
  #path = "";
  #tail: Buffer = Buffer.alloc(0);
  readonly #meant: Meant;

  constructor(meant: Meant) {
    this.#meant = meant;
    this.#secrets = meant.secrets
      .filter(({ value }) => value.length >= 8)
      .map(({ name, value }) => ({ name, bytes: Buffer.from(value) }));
    this.#overlap = Math.max(0, ...this.#secrets.map(({ bytes }) => bytes.length - 1));
  }

  chunk({ path }: Entry, chunk: Buffer): void {
    if (this.#secrets.length === 0) return;
    // A value may be split between two chunks.
    const seam =
      path === this.#path ? Buffer.concat([this.#tail, chunk.subarray(0, this.#overlap)]) : Buffer.alloc(0);
    for (const { name, bytes } of this.#secrets) {
      if (chunk.includes(bytes) || seam.includes(bytes)) {
        this.#found.push({ id: "secret", path, what: `holds ${name}` });
      }
    }
    this.#path = path;
    const end = chunk.length < this.#overlap && seam.length > 0 ? seam : chunk;
    // A copy, so that the chunk is not kept.
    this.#tail = Buffer.from(end.subarray(Math.max(0, end.length - this.#overlap)));
  }

  /** What can be found before the image is written. */
  async inspect(rootfs: Rootfs): Promise<Finding[]> {
    return [
      ...(await secondCopies(rootfs)),
      ...forbiddenPaths(rootfs, this.#meant),
      ...(await accounts(rootfs, this.#meant)),
      ...(await owners(rootfs)),
      ...modes(rootfs),
      ...(await binaries(rootfs, this.#meant)),
    ];
  }

  /**
   * All findings.
   * @param unowned the files without an owner, the largest first
   * @param inspected the findings of `inspect`. @default `inspect` is called
   */
  async findings(
    rootfs: Rootfs,
    unowned: readonly UnownedFile[] = [],
    inspected: Promise<readonly Finding[]> = this.inspect(rootfs),
  ): Promise<Finding[]> {
    const all = [...this.#found, ...(await inspected), ...unownedFiles(unowned)];
    return [...new Map(all.map((finding) => [`${finding.path} ${finding.what}`, finding])).values()];
  }
}

/** Large programs below /opt that the image has elsewhere too. Hard links to one file are not copies. */
async function secondCopies(rootfs: Rootfs): Promise<Finding[]> {
  const bySize = new Map<number, Map<Content, Entry>>();
  for (const entry of rootfs.entries) {
    const { content } = entry;
    if (!content || content.size < LARGE_PROGRAM) continue;
    const same = bySize.get(content.size) ?? new Map<Content, Entry>();
    if (!same.has(content)) same.set(content, entry);
    bySize.set(content.size, same);
  }
  const first = new Map<string, string>();
  const found: Finding[] = [];
  // Two files of different sizes differ, so most programs are not read for this.
  for (const entry of [...bySize.values()]
    .filter(({ size }) => size > 1)
    .flatMap((same) => [...same.values()])) {
    const digest = await programDigest(rootfs, entry);
    if (digest === undefined) continue;
    const other = first.get(digest);
    if (other === undefined) first.set(digest, entry.path);
    else if (entry.path.startsWith("opt/")) {
      found.push({ id: "second-copy", path: entry.path, what: `is a second copy of ${other}` });
    }
  }
  return found;
}

/** The digest of a program; undefined for another file. */
async function programDigest(rootfs: Rootfs, entry: Entry): Promise<string | undefined> {
  if (!isElf(await rootfs.readAt(entry)(0, 4))) return undefined;
  const hash = createHash("sha256");
  for await (const chunk of rootfs.chunks(entry)) hash.update(chunk);
  return hash.digest("hex");
}

function forbiddenPaths(rootfs: Rootfs, { login }: Meant): Finding[] {
  return rootfs.entries.flatMap((entry) => {
    const { path, type } = entry;
    const forbidden = FORBIDDEN.filter(([, pattern]) => pattern.test(path)).map(
      ([id, , what]): Finding => ({ id, path, what: `is ${what}` }),
    );
    if (type !== "directory" && EMPTY.test(path)) {
      forbidden.push({ id: "log-or-cache", path, what: "is a log or a cache of the build" });
    }
    const wanted = login === "key" && path === AUTHORIZED_KEYS;
    return forbidden.filter(({ id }) => !(wanted && id === "ssh-key"));
  });
}

/** Files without an owner that are named; the others are counted. */
const NAMED_UNOWNED = 10;

/** Names the largest files that belong to nobody, and says how many there are in all. */
function unownedFiles(unowned: readonly UnownedFile[]): Finding[] {
  const finding = (path: string, what: string): Finding => ({ id: "unowned", path, what });
  const named = unowned
    .slice(0, NAMED_UNOWNED)
    .map(({ path, bytes }) =>
      finding(path, `belongs to no package, recipe or known script (${bytes} bytes)`),
    );
  if (unowned.length <= NAMED_UNOWNED) return named;
  const total = unowned.reduce((sum, { bytes }) => sum + bytes, 0);
  const all = `${unowned.length} files with ${total} bytes`;
  return [
    ...named,
    finding(all, `belong to no package, recipe or known script; the ${NAMED_UNOWNED} largest are named`),
  ];
}

const SHADOW = "etc/shadow";
/** The keys with which root may log in. */
const AUTHORIZED_KEYS = "root/.ssh/authorized_keys";

/** Finds accounts and groups with a password, or with an empty one, except the password of root that `login` allows. */
async function accounts(rootfs: Rootfs, { login }: Meant): Promise<Finding[]> {
  const passwords = async (path: string, none: RegExp) =>
    lines(await rootfs.read(path))
      .filter(([, password]) => !none.test(password ?? ""))
      .filter(([user, password]) => !(login === "password" && password && user === "root" && path === SHADOW))
      .map(
        ([user, password]): Finding =>
          password
            ? { id: "password-hash", path, what: `holds a password hash of ${user}` }
            : { id: "no-password", path, what: `lets ${user} log in without a password` },
      );
  return [
    ...(await passwords("etc/passwd", /^(x|\*|!)$/)),
    ...(await passwords(SHADOW, /^(\*|!|!!|!\*)$/)),
    ...(await passwords("etc/group", /^(x|\*|!)?$/)),
    ...(await passwords("etc/gshadow", /^(\*|!|!!|!\*)?$/)),
  ];
}

/** Finds files whose user or group is not in the image's /etc/passwd or /etc/group, such as the uid of the builder. */
async function owners(rootfs: Rootfs): Promise<Finding[]> {
  const ids = async (path: string) => new Set(lines(await rootfs.read(path)).map(([, , id]) => Number(id)));
  const [uids, gids] = [await ids("etc/passwd"), await ids("etc/group")];
  return rootfs.entries
    .filter(({ uid, gid }) => !(uids.has(uid) && gids.has(gid)))
    .map(({ path, uid, gid }) => ({
      id: "unknown-owner",
      path,
      what: `is owned by ${uid}:${gid}, which is not an account of the image`,
    }));
}

/** Finds setuid and setgid programs that are not allowed, and files that every user can write. */
function modes(rootfs: Rootfs): Finding[] {
  return rootfs.entries.flatMap(({ path, type, mode }): Finding[] => {
    const octal = `mode ${mode.toString(8)}`;
    const name = path.split("/").at(-1)!;
    if (type === "file" && mode & 0o6000 && !SETUID.has(name)) {
      const what = `is setuid or setgid (${octal}), and is not one of the programs that may be`;
      return [{ id: "setuid-program", path, what }];
    }
    const sticky = type === "directory" && mode & 0o1000;
    if ((type === "file" || type === "directory") && mode & 0o002 && !sticky)
      return [{ id: "world-writable", path, what: `can be written by every user (${octal})` }];
    return [];
  });
}

/** Finds programs and libraries that cannot be loaded in this image, and checks the command of its users. */
async function binaries(rootfs: Rootfs, { arch, program }: Meant): Promise<Finding[]> {
  const tree = new FileTree(rootfs.entries);
  const found: Finding[] = [];
  for await (const [{ path }, elf] of elfFiles(rootfs.entries, (entry) => rootfs.readAt(entry))) {
    const why = whyNotLoadable(elf, arch, tree);
    if (why) found.push({ id: "not-loadable", path, what: why });
  }
  if (program !== null) found.push(...(await entryPoint(rootfs, tree, program)));
  return found;
}

const PROGRAMS = ["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"];

async function entryPoint(rootfs: Rootfs, tree: FileTree, program: string): Promise<Finding[]> {
  const inPath = (name: string) =>
    PROGRAMS.map((directory) => tree.resolve(`${directory}/${name}`)).find((entry) => entry !== undefined);
  const path = `usr/local/bin/${program}`;
  const entry = tree.resolve(path);
  if (entry?.type !== "file") {
    return [{ id: "program-missing", path, what: "is missing, or is a dangling symlink" }];
  }
  if ((entry.mode & 0o111) === 0) {
    return [{ id: "not-executable", path: entry.path, what: "is not executable" }];
  }
  const line = (await rootfs.readAt(entry)(0, 256)).toString("latin1").split("\n")[0]!;
  // As Linux does, take a carriage return as part of the name.
  const [interpreter, ...words] = line.startsWith("#!") ? line.slice(2).split(/[ \t]/).filter(Boolean) : [];
  if (interpreter === undefined) return [];
  const missing = (name: string): Finding[] => [
    {
      id: "interpreter-missing",
      path: entry.path,
      what: `needs the interpreter ${name}, which the image does not have`,
    },
  ];
  if (!tree.resolve(interpreter)) return missing(interpreter);
  const wanted =
    posix.basename(interpreter) === "env" ? words.find((word) => !word.startsWith("-")) : undefined;
  return wanted === undefined || inPath(wanted) ? [] : missing(wanted);
}

const lines = (text: string | undefined) =>
  (text ?? "")
    .split("\n")
    .filter((line) => line)
    .map((line) => line.split(":"));
