import { createHash, type Hash } from "node:crypto";
import { posix } from "node:path";
import type { Arch } from "../../schema/names.ts";
import { elfFiles, whyNotLoadable } from "./binaries.ts";
import { isElf } from "./elf.ts";
import { FileTree } from "./file-tree.ts";
import type { Finding, FindingId } from "./findings.ts";
import type { Rootfs } from "./normalise.ts";
import type { Entry } from "./tar-index.ts";

/** Paths that no image may have, with what they would give away. Independent of what is scrubbed. */
const FORBIDDEN: readonly (readonly [id: FindingId, pattern: RegExp, what: string])[] = [
  ["host-key", /^etc\/ssh\/ssh_host_.*key/, "an SSH host key: every machine must make its own"],
  ["machine-id", /^(etc|var\/lib\/dbus)\/machine-id$/, "a machine-id: every machine must make its own"],
  ["name-servers", /^etc\/resolv\.conf$/, "the builder's name servers"],
  ["ssh-key", /(^|\/)\.ssh\/(authorized_keys|id_)/, "somebody's SSH key"],
  [
    "account-file",
    /^(root|home\/[^/]+)\/\.([a-z]+_history|npmrc|netrc|docker|aws|git-credentials)/,
    "the builder's account",
  ],
  ["build-cache", /^(root|home\/[^/]+)\/\.(npm|cache)\//, "a cache of the build"],
  ["temporary-file", /^(tmp|run|var\/tmp)\//, "a temporary file of the build"],
  ["network-ca", /^usr\/local\/share\/ca-certificates\//, "a CA of the build's network"],
];

/** Directories that may hold no file: logs and caches. */
const EMPTY = /^var\/(log|cache\/(apt|apk|ldconfig|man)|lib\/apt\/lists)\//;

/** A value that must not be in any file of an image, under the name by which a finding may call it. */
export interface Secret {
  readonly name: string;
  readonly value: string;
}

/** The programs that may run as somebody else: the distributions' own, of no use to root and harmless. */
const SETUID = new Set([
  ...["chage", "chfn", "chsh", "expiry", "gpasswd", "mount", "newgrp", "passwd", "ssh-agent", "su", "umount"],
  ...["bbsuid", "unix_chkpwd", "ssh-keysign"],
]);

/** A smaller program may be there twice, bytes. */
const LARGE_PROGRAM = 1 << 20;

/** What an image is meant to be. */
export interface Meant {
  readonly arch: Arch;
  /** What its users type; null for a base. */
  readonly program: string | null;
  /** How root may log in with what is in the image. @default not at all: a machine is given its key when it starts */
  readonly login?: "key" | "password" | undefined;
  /** Values of the build's environment that it must not hold. */
  readonly secrets: readonly Secret[];
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
  /** Of the large programs, whose content is compared; by path. */
  readonly #programs = new Map<string, Hash>();

  readonly #meant: Meant;

  constructor(meant: Meant) {
    this.#meant = meant;
    this.#secrets = meant.secrets
      .filter(({ value }) => value.length >= 8)
      .map(({ name, value }) => ({ name, bytes: Buffer.from(value) }));
    this.#overlap = Math.max(0, ...this.#secrets.map(({ bytes }) => bytes.length - 1));
  }

  chunk(entry: Entry, chunk: Buffer): void {
    this.#hashProgram(entry, chunk);
    if (this.#secrets.length === 0) return;
    // A value may straddle two chunks: the end of the one before is looked at again.
    const bytes = entry.path === this.#path ? Buffer.concat([this.#tail, chunk]) : chunk;
    for (const secret of this.#secrets) {
      if (bytes.includes(secret.bytes)) {
        this.#found.push({ id: "secret", path: entry.path, what: `holds ${secret.name}` });
      }
    }
    this.#path = entry.path;
    this.#tail = bytes.subarray(Math.max(0, bytes.length - this.#overlap));
  }

  #hashProgram({ path, content }: Entry, chunk: Buffer): void {
    if (!content || content.size < LARGE_PROGRAM) return;
    let hash = this.#programs.get(path);
    if (!hash) {
      if (!isElf(chunk)) return;
      hash = createHash("sha256");
      this.#programs.set(path, hash);
    }
    hash.update(chunk);
  }

  /** A preset brings no program that is there already. Hard links to one file pass by as one. */
  #secondCopies(): Finding[] {
    const first = new Map<string, string>();
    return [...this.#programs].flatMap(([path, hash]) => {
      const digest = hash.digest("hex");
      const other = first.get(digest);
      if (other === undefined) first.set(digest, path);
      return other !== undefined && path.startsWith("opt/")
        ? [{ id: "second-copy" as const, path, what: `is a second copy of ${other}` }]
        : [];
    });
  }

  async findings(rootfs: Rootfs): Promise<Finding[]> {
    const all = [
      ...this.#found,
      ...this.#secondCopies(),
      ...forbiddenPaths(rootfs, this.#meant),
      ...(await accounts(rootfs, this.#meant)),
      ...(await owners(rootfs)),
      ...modes(rootfs),
      ...(await binaries(rootfs, this.#meant)),
    ];
    return [...new Map(all.map((finding) => [`${finding.path} ${finding.what}`, finding])).values()];
  }
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

const SHADOW = "etc/shadow";
/** The file that lets root in with a key. */
const AUTHORIZED_KEYS = "root/.ssh/authorized_keys";

/** No account can log in with a password that was not asked for, an empty one least of all. */
async function accounts(rootfs: Rootfs, { login }: Meant): Promise<Finding[]> {
  const passwords = async (path: string, none: RegExp) =>
    lines(await rootfs.read(path))
      .filter(([, password]) => !none.test(password ?? ""))
      .filter(([user, password]) => !(login === "password" && password && user === "root" && path === SHADOW))
      .map(
        ([user, password]): Finding =>
          password
            ? { id: "password-hash", path, what: `holds a password hash of ${user}` }
            : { id: "no-password", path, what: `lets ${user} in without a password` },
      );
  return [
    ...(await passwords("etc/passwd", /^(x|\*|!)$/)),
    ...(await passwords(SHADOW, /^(\*|!|!!|!\*)$/)),
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
      id: "unknown-owner",
      path,
      what: `is owned by ${uid}:${gid}, which is no account of the image`,
    }));
}

/** Nobody but the owner changes a file, and a program runs as whoever started it. */
function modes(rootfs: Rootfs): Finding[] {
  return rootfs.entries.flatMap(({ path, type, mode }): Finding[] => {
    const octal = `mode ${mode.toString(8)}`;
    const name = path.split("/").at(-1)!;
    if (type === "file" && mode & 0o6000 && !SETUID.has(name)) {
      const what = `runs as its owner or group (${octal}), and is not among those that may`;
      return [{ id: "setuid-program", path, what }];
    }
    const sticky = type === "directory" && mode & 0o1000;
    if ((type === "file" || type === "directory") && mode & 0o002 && !sticky)
      return [{ id: "world-writable", path, what: `can be written by everybody (${octal})` }];
    return [];
  });
}

/** Every program and library can be loaded here, and so can what the users type. */
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
    return [{ id: "program-missing", path, what: "is missing, or a link to nothing" }];
  }
  if ((entry.mode & 0o111) === 0) {
    return [{ id: "not-executable", path: entry.path, what: "is not executable" }];
  }
  const line = (await rootfs.readAt(entry)(0, 256)).toString("latin1").split("\n")[0]!;
  // As Linux reads it: a carriage return is part of the name.
  const [interpreter, ...words] = line.startsWith("#!") ? line.slice(2).split(/[ \t]/).filter(Boolean) : [];
  if (interpreter === undefined) return [];
  const missing = (name: string): Finding[] => [
    { id: "interpreter-missing", path: entry.path, what: `is run by ${name}, which is not there` },
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
