import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Audit, type Meant, type Secret } from "../../../../pipeline/image/rootfs/audit.ts";
import { type Finding, findingLine } from "../../../../pipeline/image/rootfs/findings.ts";
import type { Rootfs } from "../../../../pipeline/image/rootfs/normalise.ts";
import { toTar } from "../../../../pipeline/image/rootfs/normalise.ts";
import type { UnownedFile } from "../../../../pipeline/image/rootfs/ownership/account.ts";
import type { Entry } from "../../../../pipeline/image/rootfs/tar-index.ts";
import { elfFile } from "../../../support/elf.ts";
import { normalised, type TestEntry } from "../../../support/tar.ts";

const CLEAN: TestEntry[] = [
  { name: "etc/" },
  { name: "etc/passwd", body: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n" },
  { name: "etc/group", body: "root:x:0:\nnogroup:x:65534:\n" },
  { name: "etc/shadow", body: "root:*:1:0:99999:7:::\nnobody:!:1::::::\n" },
  { name: "bin/", mode: 0o755 },
  { name: "bin/tool", body: "#!/bin/sh\n", uid: 65534, gid: 65534 },
];

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "smolvm-audit-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** What the audit finds in a root file system whose bytes have all passed it. */
function audited(
  entries: readonly TestEntry[],
  secrets: readonly Secret[] = [],
  program: string | null = null,
): Promise<Finding[]> {
  return normalised(join(directory, "spool.tar"), entries, async (rootfs) => {
    const audit = new Audit({ arch: "amd64", program, secrets });
    for await (const _ of toTar(rootfs, (entry, chunk) => audit.chunk(entry, chunk))) {
      // Drained, as mke2fs would.
    }
    return await audit.findings(rootfs);
  });
}

/** Which of the two findings about passwords a text is. */
const idOf = (what: string) => (what.startsWith("lets ") ? "no-password" : "password-hash");

/** What the audit finds in an image with these files without an owner. */
const withUnowned = (unowned?: readonly UnownedFile[]) =>
  new Audit({ arch: "amd64", program: null, secrets: [] }).findings(rawRootfs([]), unowned);

const meaning = (secrets: readonly Secret[]) => new Audit({ arch: "amd64", program: null, secrets });

/** A root file system that nobody scrubbed. */
function rawRootfs(paths: readonly string[], files: Readonly<Record<string, string>> = {}): Rootfs {
  const entries: Entry[] = paths.map((path) => ({
    path,
    type: "file",
    mode: 0o600,
    uid: 0,
    gid: 0,
    mtime: 0,
    content: { offset: 0, size: 0 },
  }));
  const accounts: Record<string, string> = {
    "etc/passwd": "root:x:0:0::/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    ...files,
  };
  const read = async (path: string) => accounts[path];
  return {
    ...{ entries, read, sizeOf: () => 0 },
    readAt: () => async () => Buffer.alloc(0),
    chunks: async function* () {},
  };
}

describe("the audit", () => {
  it("finds nothing in a clean root file system", async () => {
    expect(await audited(CLEAN, [{ name: "a token", value: "not-in-there" }])).toEqual([]);
  });

  it.each([
    ["etc/ssh/ssh_host_rsa_key", "is an SSH host key", "host-key"],
    ["etc/machine-id", "is a machine-id", "machine-id"],
    ["var/lib/dbus/machine-id", "is a machine-id", "machine-id"],
    ["etc/resolv.conf", "is a list of the build machine's name servers", "name-servers"],
    ["root/.ssh/authorized_keys", "is an SSH key of a user", "ssh-key"],
    ["home/agent/.ssh/id_ed25519", "is an SSH key of a user", "ssh-key"],
    ["root/.bash_history", "is a file of the builder's account", "account-file"],
    ["root/.git-credentials", "is a file of the builder's account", "account-file"],
    ["root/.docker/config.json", "is a file of the builder's account", "account-file"],
    ["root/.npmrc", "is a file of the builder's account", "account-file"],
    ["root/.npm/_logs/x", "is a cache of the build", "build-cache"],
    ["root/.cache/uv/x", "is a cache of the build", "build-cache"],
    ["tmp/network/ca.pem", "is a temporary file of the build", "temporary-file"],
    ["home/agent/.npmrc", "is a file of the builder's account", "account-file"],
    ["home/agent/.cache/uv/x", "is a cache of the build", "build-cache"],
    [".ssh/id_rsa", "is an SSH key of a user", "ssh-key"],
    ["var/log/apt/history.log", "is a log or a cache of the build", "log-or-cache"],
    ["var/cache/apt/pkgcache.bin", "is a log or a cache of the build", "log-or-cache"],
    ["var/lib/apt/lists/x", "is a log or a cache of the build", "log-or-cache"],
    ["usr/local/share/ca-certificates/company.crt", "is a CA of the build's network", "network-ca"],
  ])("does not rely on the scrubbing: %s %s (%s)", async (path, what, id) => {
    const findings = await meaning([]).findings(rawRootfs([path]));
    expect(findings.map(findingLine)).toEqual([expect.stringMatching(/ \[[a-z-]+\]$/)]);
    expect(findings).toEqual([{ id, path, what: expect.stringContaining(what) }]);
  });

  it.each([
    "opt/agent/etc/ssh/ssh_host_rsa_key",
    "opt/agent/etc/machine-id",
    "etc/machine-id.example",
    "opt/agent/etc/resolv.conf",
    "etc/resolv.conf.example",
    "opt/root/.npmrc",
    "opt/root/.cache/x",
    "opt/agent/tmp/x",
    "opt/agent/var/log/x",
    "opt/usr/local/share/ca-certificates/x",
  ])("does not take %s for what lies elsewhere", async (path) => {
    expect(await meaning([]).findings(rawRootfs([path]))).toEqual([]);
  });

  it("names each file that belongs to nobody", async () => {
    expect(await withUnowned([{ path: "opt/mine", bytes: 12 }])).toEqual([
      { id: "unowned", path: "opt/mine", what: "belongs to no package, recipe or known script (12 bytes)" },
    ]);
    expect(await withUnowned([])).toEqual([]);
    expect(await withUnowned()).toEqual([]);
  });

  it("names the largest of many such files, with the total", async () => {
    const many = Array.from({ length: 12 }, (_, index) => ({ path: `opt/${index}`, bytes: 100 - index }));
    const findings = await withUnowned(many);
    expect(findings.slice(0, -1).map(({ path }) => path)).toEqual(many.slice(0, 10).map(({ path }) => path));
    expect(findingLine(findings.at(-1)!)).toBe(
      "12 files with 1134 bytes belong to no package, recipe or known script; the 10 largest are named [unowned]",
    );
    expect(await withUnowned(many.slice(0, 10))).toHaveLength(10);
  });

  it("puts up with the directories in which logs and caches will be", async () => {
    const names = ["etc/", "var/", "var/log/", "var/log/apt/", "var/cache/", "var/cache/apt/"];
    const raw = rawRootfs(names.map((name) => name.slice(0, -1)));
    const entries = raw.entries.map((entry) => ({ ...entry, type: "directory" as const }));
    expect(await meaning([]).findings({ ...raw, entries })).toEqual([]);
  });

  it.each([
    ["its user", { uid: 1000, gid: 0 }],
    ["its group", { uid: 0, gid: 1000 }],
  ])("finds a file of which only %s is no account of the image", async (_, owner) => {
    const findings = await audited([...CLEAN, { name: "bin/mine", ...owner }]);
    expect(findings.map(({ path }) => path)).toEqual(["bin/mine"]);
  });

  it("finds a file of the builder's uid", async () => {
    const findings = await audited([...CLEAN, { name: "bin/mine", uid: 1000, gid: 1000 }]);
    expect(findings).toEqual([
      {
        id: "unknown-owner",
        path: "bin/mine",
        what: "is owned by 1000:1000, which is not an account of the image",
      },
    ]);
  });

  it.each([
    ["etc/passwd", "root::0:0::/root:/bin/sh\n", "lets root log in without a password"],
    ["etc/passwd", "root:$6$abc:0:0::/root:/bin/sh\n", "holds a password hash of root"],
    ["etc/passwd", "root:$6$endsinx:0:0::/root:/bin/sh\n", "holds a password hash of root"],
    ["etc/passwd", "root:!$6$locked:0:0::/root:/bin/sh\n", "holds a password hash of root"],
    ["etc/group", "root:$6$endsinx:0:\nnogroup:x:65534:\n", "holds a password hash of root"],
    ["etc/group", "root:!$6$locked:0:\nnogroup:x:65534:\n", "holds a password hash of root"],
  ])("finds an account that a password opens, in %s", async (path, body, what) => {
    const entries = CLEAN.map((entry) => (entry.name === path ? { ...entry, body } : entry));
    expect(await audited(entries)).toContainEqual({ id: idOf(what), path, what });
  });

  it.each([
    ["root:$y$j9T$abc:1:0:99999:7:::\n", "holds a password hash of root"],
    ["root:!$6$locked:1::::::\n", "holds a password hash of root"],
    ["root:$6$ends!:1::::::\n", "holds a password hash of root"],
    ["root::1:0:99999:7:::\n", "lets root log in without a password"],
    ["root\n", "lets root log in without a password"],
    ["root:*:1::::::\nuser::1::::::\n", "lets user log in without a password"],
  ])("does not rely on accounts having been locked: %j %s", async (shadow, what) => {
    const findings = await meaning([]).findings(rawRootfs([], { "etc/shadow": shadow }));
    expect(findings).toEqual([{ id: idOf(what), path: "etc/shadow", what }]);
  });

  describe("of an image into which root is to log in", () => {
    const KEYS = "root/.ssh/authorized_keys";
    const hash = (user: string) => ({ "etc/shadow": `${user}:$y$j9T$abc:1::::::\n` });
    const ids = async (
      login: Meant["login"],
      paths: readonly string[],
      files: Record<string, string> = {},
    ) => {
      const audit = new Audit({ arch: "amd64", program: null, secrets: [], login });
      return (await audit.findings(rawRootfs(paths, files))).map(({ id }) => id);
    };

    it("with a key lets that key be, and nothing else", async () => {
      expect(await ids("key", [KEYS])).toEqual([]);
      expect(await ids("key", [], hash("root"))).toEqual(["password-hash"]);
      const others = ["root/.ssh/id_rsa", "home/me/.ssh/authorized_keys", `opt/${KEYS}`];
      expect(await ids("key", others)).toEqual(["ssh-key", "ssh-key", "ssh-key"]);
    });

    it("with a password lets root's be, and nothing else", async () => {
      expect(await ids("password", [], hash("root"))).toEqual([]);
      expect(await ids("password", [], hash("me"))).toEqual(["password-hash"]);
      expect(await ids("password", [], { "etc/shadow": "root::1::::::\n" })).toEqual(["no-password"]);
      expect(await ids("password", [], { "etc/gshadow": "root:$6$hash::\n" })).toEqual(["password-hash"]);
      expect(await ids("password", [KEYS])).toEqual(["ssh-key"]);
    });

    it("is refused all of it where nothing was asked for", async () => {
      expect(await ids(undefined, [KEYS], hash("root"))).toEqual(["ssh-key", "password-hash"]);
    });
  });

  it("finds nothing in a group that has no password at all: nobody can join it", async () => {
    const groups = { "etc/group": "root::0:\n", "etc/gshadow": "root:::\nstaff:!::\n" };
    expect(await meaning([]).findings(rawRootfs([], groups))).toEqual([]);
  });

  it("finds a group that a password opens", async () => {
    const gshadow = { "etc/gshadow": "root:*::\nstaff:$6$hash::\n" };
    const findings = await meaning([]).findings(rawRootfs([], gshadow));
    expect(findings).toEqual([
      { id: "password-hash", path: "etc/gshadow", what: "holds a password hash of staff" },
    ]);
  });

  it("finds that files belong to nobody where there is no list of accounts", async () => {
    const findings = await audited([{ name: "bin/" }]);
    expect(findings).toEqual([
      { id: "unknown-owner", path: "bin", what: "is owned by 0:0, which is not an account of the image" },
    ]);
  });

  it("finds nothing in what an untidy build left, once it is scrubbed", async () => {
    const untidy = [
      ...["etc/ssh/", "root/", "root/.npm/", "tmp/", "var/", "var/log/", "var/cache/", "var/cache/apt/"],
      ...["etc/ssh/ssh_host_rsa_key", "etc/machine-id", "etc/resolv.conf", "root/.npm/x", "tmp/x"],
      ...["root/.bash_history", "var/log/x.log", "var/cache/apt/x"],
    ].map((name) => ({ name }));
    expect(await audited([...CLEAN, ...untidy])).toEqual([]);
  });

  it("finds a secret that comes a few bytes at a time", async () => {
    const audit = meaning([{ name: "a token", value: "0123456789" }]);
    const entry: Entry = { path: "slow", type: "file", mode: 0o600, uid: 0, gid: 0, mtime: 0 };
    for (const piece of ["xx012", "3", "4567", "89yy"]) audit.chunk(entry, Buffer.from(piece));
    expect(await audit.findings(rawRootfs([]))).toEqual([
      { id: "secret", path: "slow", what: "holds a token" },
    ]);
  });

  it("looks for values of eight characters and more: shorter ones are in every image", async () => {
    const secrets = [
      { name: "a short value", value: "1234567" },
      { name: "a value", value: "12345678" },
    ];
    const findings = await audited([...CLEAN, { name: "bin/x", body: "12345678" }], secrets);
    expect(findings).toEqual([{ id: "secret", path: "bin/x", what: "holds a value" }]);
  });

  it("finds a secret wherever it is, also across two reads of a large file", async () => {
    const secret = "ghp_0123456789abcdef";
    // A file is read a MiB at a time.
    const body = `${"x".repeat((1 << 20) - 7)}${secret}${"y".repeat(100)}`;
    const findings = await audited(
      [...CLEAN, { name: "bin/large", body }],
      [{ name: "the value of X_TOKEN", value: secret }],
    );
    expect(findings).toEqual([{ id: "secret", path: "bin/large", what: "holds the value of X_TOKEN" }]);
  });

  it("names a file once, however often it holds a secret", async () => {
    // Three reads of a MiB each, every one with the secret in it.
    const body = "ghp_0123456789abcdef ".repeat((3 << 20) / 21);
    const secrets = [
      { name: "the value of X_TOKEN", value: "ghp_0123456789abcdef" },
      { name: "a longer one", value: "L".repeat(64) },
    ];
    expect(await audited([...CLEAN, { name: "bin/large", body }], secrets)).toEqual([
      { id: "secret", path: "bin/large", what: "holds the value of X_TOKEN" },
    ]);
  });

  it("does not join the end of one file with the start of the next", async () => {
    const entries = [...CLEAN, { name: "bin/x1", body: "abcdefgh" }, { name: "bin/x2", body: "ijklmnop" }];
    expect(await audited(entries, [{ name: "a token", value: "efghijkl" }])).toEqual([]);
  });

  it.each([
    [
      "a program that runs as its owner",
      { name: "bin/helper", mode: 0o4755 },
      /^bin\/helper is setuid or setgid \(mode 4755\).* \[setuid-program\]$/,
    ],
    [
      "a program that runs as its group",
      { name: "bin/helper", mode: 0o2755 },
      /^bin\/helper is setuid or setgid \(mode 2755\).* \[setuid-program\]$/,
    ],
    [
      "a file that everybody can write",
      { name: "bin/config", mode: 0o666 },
      /^bin\/config can be written by every user \(mode 666\).* \[world-writable\]$/,
    ],
    [
      "a directory that everybody can write",
      { name: "bin/drop/", mode: 0o777 },
      /^bin\/drop can be written by every user \(mode 777\).* \[world-writable\]$/,
    ],
    [
      "a file that everybody can write, sticky or not",
      { name: "bin/config", mode: 0o1666 },
      /^bin\/config can be written by every user \(mode 1666\).* \[world-writable\]$/,
    ],
  ])("finds %s", async (_, entry, finding) => {
    const findings = await audited([...CLEAN, entry]);
    expect(findings.map(findingLine)).toEqual([expect.stringMatching(finding)]);
  });

  it("leaves alone directories that everybody, or a group, may use, and links, whose mode means nothing", async () => {
    const entries: TestEntry[] = [
      { name: "tmp/", mode: 0o1777 },
      { name: "bin/mail/", mode: 0o2775 },
      { name: "bin/link", type: "symlink", linkname: "tool", mode: 0o777 },
    ];
    expect(await audited([...CLEAN, ...entries])).toEqual([]);
  });

  // As `find / -perm /6000` lists them in the bases; of the wrong name, each fails the cell.
  it.each([
    ...[
      "chage",
      "chfn",
      "chsh",
      "expiry",
      "gpasswd",
      "mount",
      "newgrp",
      "passwd",
      "ssh-agent",
      "su",
      "umount",
    ],
    ...["bbsuid", "unix_chkpwd", "ssh-keysign"],
  ])("leaves alone the distributions' %s, which runs as its owner", async (name) => {
    const usr = ["usr/", "usr/bin/"].map((directory) => ({ name: directory }));
    expect(await audited([...CLEAN, ...usr, { name: `usr/bin/${name}`, mode: 0o4755 }])).toEqual([]);
  });
});

describe("the audit of programs", () => {
  const ALPINE: TestEntry[] = [
    ...CLEAN,
    { name: "lib/" },
    ...["ld-musl-x86_64.so.1", "libc.musl-x86_64.so.1"].map((name) => ({ name: `lib/${name}` })),
  ];
  // Merged directories and a link across them, as Debian has them.
  const DEBIAN: TestEntry[] = [
    ...CLEAN,
    ...["usr/", "usr/lib/", "usr/lib64/", "usr/lib/x86_64-linux-gnu/"].map((name) => ({ name })),
    { name: "lib64", type: "symlink", linkname: "usr/lib64" },
    { name: "usr/lib64/ld-linux-x86-64.so.2", type: "symlink", linkname: "../lib/x86_64-linux-gnu/ld.so" },
    ...["ld.so", "libc.so.6"].map((name) => ({ name: `usr/lib/x86_64-linux-gnu/${name}` })),
  ];
  const GLIBC = elfFile({ interpreter: "/lib64/ld-linux-x86-64.so.2", needed: ["libm.so.6", "libc.so.6"] });
  const MUSL = elfFile({ interpreter: "/lib/ld-musl-x86_64.so.1", needed: ["libc.musl-x86_64.so.1"] });

  it.each([
    [
      "a glibc program",
      ALPINE,
      GLIBC,
      "needs /lib64/ld-linux-x86-64.so.2, which the image does not have (it is built for glibc)",
    ],
    [
      "a glibc library",
      ALPINE,
      elfFile({ needed: ["libc.so.6"] }),
      "needs libc.so.6, which the image does not have (it is built for glibc)",
    ],
    [
      "a musl program",
      DEBIAN,
      MUSL,
      "needs /lib/ld-musl-x86_64.so.1, which the image does not have (it is built for musl)",
    ],
    [
      "a program of another arch",
      ALPINE,
      elfFile({ machine: 183 }),
      "is for arm64, but the image is for amd64",
    ],
    [
      "a program of an arch that nobody has",
      ALPINE,
      elfFile({ machine: 243 }),
      "is for machine 243, but the image is for amd64",
    ],
  ])("finds %s where it cannot be loaded, by its path", async (_, root, body, what) => {
    expect(await audited([...root, { name: "bin/agent", body, mode: 0o755 }])).toEqual([
      { id: "not-loadable", path: "bin/agent", what },
    ]);
  });

  it.each([
    ["glibc", DEBIAN, GLIBC],
    ["musl", ALPINE, MUSL],
    ["no libc at all", ALPINE, elfFile({})],
  ])("finds nothing in a program for %s where that is", async (_, root, body) => {
    expect(await audited([...root, { name: "bin/agent", body, mode: 0o755 }])).toEqual([]);
  });

  it("finds nothing in a file that only begins like a program", async () => {
    expect(
      await audited([...ALPINE, { name: "bin/agent", body: GLIBC.subarray(0, 80), mode: 0o755 }]),
    ).toEqual([]);
  });

  it("finds a large program that a preset brings a second time, and no hard link to one", async () => {
    const program = Buffer.concat([elfFile({}), Buffer.alloc(1 << 20, "x")]);
    const other = Buffer.concat([elfFile({}), Buffer.alloc(1 << 20, "y")]);
    const entries: TestEntry[] = [
      ...[...CLEAN, { name: "opt/" }, { name: "bin/node", body: program, mode: 0o755 }],
      ...[
        { name: "opt/node", body: program, mode: 0o755 },
        { name: "opt/other", body: other, mode: 0o755 },
      ],
      { name: "opt/same", type: "link", linkname: "opt/other" },
    ];
    expect(await audited(entries)).toEqual([
      { id: "second-copy", path: "opt/node", what: "is a second copy of bin/node" },
    ]);
  });

  describe("that are there twice", () => {
    const LARGE = 1 << 20;
    const large = (size: number, tail = "x") => {
      const program = elfFile({});
      return Buffer.concat([program, Buffer.alloc(size - program.length, tail)]);
    };
    /** The same tree with these programs, at their paths. */
    const having = (programs: Readonly<Record<string, Buffer>>) =>
      audited([
        ...[...CLEAN, { name: "opt/" }],
        ...Object.entries(programs).map(([name, body]) => ({ name, body, mode: 0o755 })),
      ]);

    it("names the first of them in each finding", async () => {
      const program = large(LARGE);
      expect(await having({ "bin/node": program, "opt/a": program, "opt/b": program })).toEqual([
        { id: "second-copy", path: "opt/a", what: "is a second copy of bin/node" },
        { id: "second-copy", path: "opt/b", what: "is a second copy of bin/node" },
      ]);
    });

    it("compares all of them, not how they begin", async () => {
      const [one, two] = [large(2 * LARGE), large(2 * LARGE)];
      two[two.length - 1] = 0;
      expect(await having({ "bin/node": one, "opt/node": two })).toEqual([]);
    });

    it("puts up with small ones, with what is no program, and with the distribution's own", async () => {
      const [small, program] = [large(LARGE - 1), large(LARGE)];
      const data = Buffer.alloc(2 * LARGE, "data");
      expect(await having({ "bin/small": small, "opt/small": small })).toEqual([]);
      expect(await having({ "bin/data": data, "opt/data": data })).toEqual([]);
      expect(await having({ "bin/busybox": program, "bin/sh": program })).toEqual([]);
    });
  });

  const LOCAL = ["usr/", "usr/local/", "usr/local/bin/", "opt/"].map((name) => ({ name }));
  const typed = (body: string | Buffer, ...more: TestEntry[]) => [
    ...[...CLEAN, ...LOCAL, ...more, { name: "opt/agent.js", body, mode: 0o755 }],
    { name: "usr/local/bin/agent", type: "symlink" as const, linkname: "/opt/agent.js" },
  ];

  it.each<[string, TestEntry[], Finding]>([
    [
      "is not there",
      [...CLEAN, ...LOCAL],
      { id: "program-missing", path: "usr/local/bin/agent", what: "is missing, or is a dangling symlink" },
    ],
    [
      "is a link to nothing",
      [...CLEAN, ...LOCAL, { name: "usr/local/bin/agent", type: "symlink", linkname: "../lib/agent" }],
      { id: "program-missing", path: "usr/local/bin/agent", what: "is missing, or is a dangling symlink" },
    ],
    [
      "is run by what is not in the path",
      typed("#!/usr/bin/env node\n", { name: "usr/bin/" }, { name: "usr/bin/env", mode: 0o755 }),
      {
        id: "interpreter-missing",
        path: "opt/agent.js",
        what: "needs the interpreter node, which the image does not have",
      },
    ],
    [
      "is run by what is not there",
      typed("#!/opt/venv/bin/python -E\n"),
      {
        id: "interpreter-missing",
        path: "opt/agent.js",
        what: "needs the interpreter /opt/venv/bin/python, which the image does not have",
      },
    ],
    [
      "is run by what is not there, with nothing behind its name but an end of line of another system",
      typed("#!/bin/tool\r\n"),
      {
        id: "interpreter-missing",
        path: "opt/agent.js",
        what: "needs the interpreter /bin/tool\r, which the image does not have",
      },
    ],
    [
      "is not executable",
      typed("#!/bin/tool\n").map((entry) =>
        entry.name === "opt/agent.js" ? { ...entry, mode: 0o644 } : entry,
      ),
      { id: "not-executable", path: "opt/agent.js", what: "is not executable" },
    ],
  ])("finds that what users type %s", async (_, entries, finding) => {
    expect(await audited(entries, [], "agent")).toEqual([finding]);
  });

  it("finds nothing where what runs it is there, behind links", async () => {
    const node: TestEntry[] = [
      ...[{ name: "usr/bin/" }, { name: "usr/bin/env", mode: 0o755 }, { name: "opt/node", mode: 0o755 }],
      { name: "usr/local/bin/node", type: "symlink", linkname: "../../../opt/node" },
    ];
    expect(await audited(typed("#!/usr/bin/env -S node --quiet\n", ...node), [], "agent")).toEqual([]);
  });

  it.each([
    ["a script without options", "#!/bin/tool\n"],
    ["a script with space around its options", "#!  /bin/tool   -E  \n"],
    ["a script whose only option is not what runs it", "#!/bin/tool node\n"],
    ["a program", elfFile({})],
    ["text that has no first line for Linux", "\n#!/nowhere\n"],
    ["text that speaks of a first line", "echo '#!/nowhere'\n"],
  ])("finds nothing in %s", async (_, body) => {
    expect(await audited(typed(body), [], "agent")).toEqual([]);
  });

  it.each(["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"])(
    "finds what env runs in %s",
    async (place) => {
      const directories = ["usr/", "usr/bin/", "usr/local/", "usr/local/bin/", "opt/", `${place}/`];
      const entries: TestEntry[] = [
        ...[
          ...CLEAN,
          ...[...new Set(directories)].filter((name) => name !== "bin/").map((name) => ({ name })),
        ],
        { name: "usr/bin/env", mode: 0o755 },
        { name: `${place}/node`, mode: 0o755 },
        { name: "usr/local/bin/agent", body: "#!/usr/bin/env   node\n", mode: 0o755 },
      ];
      expect(await audited(entries, [], "agent")).toEqual([]);
    },
  );

  it("does not follow links in a circle", async () => {
    const circle = ["a", "b"].map(
      (name, index): TestEntry => ({
        name: `usr/local/bin/${name}`,
        type: "symlink",
        linkname: ["b", "a"][index]!,
      }),
    );
    expect(await audited([...CLEAN, ...LOCAL, ...circle], [], "a")).toEqual([
      { id: "program-missing", path: "usr/local/bin/a", what: "is missing, or is a dangling symlink" },
    ]);
  });
});
