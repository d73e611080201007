import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Audit, type Finding, type Secret } from "../../pipeline/build/audit.ts";
import type { Rootfs } from "../../pipeline/build/normalise.ts";
import { toTar } from "../../pipeline/build/normalise.ts";
import type { Entry } from "../../pipeline/build/tar-index.ts";
import { normalised, type TestEntry } from "../support/tar.ts";

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
function audited(entries: readonly TestEntry[], secrets: readonly Secret[] = []): Promise<Finding[]> {
  return normalised(join(directory, "spool.tar"), entries, async (rootfs) => {
    const audit = new Audit(secrets);
    for await (const _ of toTar(rootfs, (entry, chunk) => audit.chunk(entry, chunk))) {
      // Drained, as mke2fs would.
    }
    return await audit.findings(rootfs);
  });
}

/** A root file system that nobody scrubbed. */
function rawRootfs(paths: readonly string[], files: Readonly<Record<string, string>> = {}): Rootfs {
  const entries: Entry[] = paths.map((path) => ({
    path,
    type: "file",
    mode: 0o600,
    uid: 0,
    gid: 0,
    mtime: 0,
  }));
  const accounts: Record<string, string> = {
    "etc/passwd": "root:x:0:0::/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    ...files,
  };
  return { entries, read: async (path) => accounts[path], chunks: async function* () {}, sizeOf: () => 0 };
}

describe("the audit", () => {
  it("finds nothing in a clean root file system", async () => {
    expect(await audited(CLEAN, [{ name: "a token", value: "not-in-there" }])).toEqual([]);
  });

  it.each([
    ["etc/ssh/ssh_host_rsa_key", "is an SSH host key"],
    ["etc/machine-id", "is a machine-id"],
    ["var/lib/dbus/machine-id", "is a machine-id"],
    ["etc/resolv.conf", "is the builder's name servers"],
    ["root/.ssh/authorized_keys", "is somebody's SSH key"],
    ["home/agent/.ssh/id_ed25519", "is somebody's SSH key"],
    ["root/.bash_history", "is the builder's account"],
    ["root/.git-credentials", "is the builder's account"],
    ["root/.docker/config.json", "is the builder's account"],
    ["root/.npmrc", "is the builder's account"],
    ["root/.npm/_logs/x", "is a cache of the build"],
    ["root/.cache/uv/x", "is a cache of the build"],
    ["tmp/network/ca.pem", "is a temporary file of the build"],
    ["var/log/apt/history.log", "is a log or a cache of the build"],
    ["var/cache/apt/pkgcache.bin", "is a log or a cache of the build"],
    ["var/lib/apt/lists/x", "is a log or a cache of the build"],
    ["usr/local/share/ca-certificates/company.crt", "is a CA of the build's network"],
  ])("does not rely on the scrubbing: %s %s", async (path, what) => {
    const findings = await new Audit([]).findings(rawRootfs([path]));
    expect(findings.map((finding) => `${finding.path} ${finding.what}`).join()).toContain(`${path} ${what}`);
  });

  it("finds a file of the builder's uid", async () => {
    const findings = await audited([...CLEAN, { name: "bin/mine", uid: 1000, gid: 1000 }]);
    expect(findings).toEqual([
      { path: "bin/mine", what: "is owned by 1000:1000, which is no account of the image" },
    ]);
  });

  it.each([
    ["etc/passwd", "root::0:0::/root:/bin/sh\n", "lets root in without a password"],
    ["etc/passwd", "root:$6$abc:0:0::/root:/bin/sh\n", "holds a password hash of root"],
  ])("finds an account that a password opens, in %s", async (path, body, what) => {
    const entries = CLEAN.map((entry) => (entry.name === path ? { ...entry, body } : entry));
    expect(await audited(entries)).toContainEqual({ path, what });
  });

  it.each([
    ["root:$y$j9T$abc:1:0:99999:7:::\n", "holds a password hash of root"],
    ["root:!$6$locked:1::::::\n", "holds a password hash of root"],
    ["root::1:0:99999:7:::\n", "lets root in without a password"],
    ["root:*:1::::::\nuser::1::::::\n", "lets user in without a password"],
  ])("does not rely on accounts having been locked: %j %s", async (shadow, what) => {
    const findings = await new Audit([]).findings(rawRootfs([], { "etc/shadow": shadow }));
    expect(findings).toEqual([{ path: "etc/shadow", what }]);
  });

  it("finds a group that a password opens", async () => {
    const gshadow = { "etc/gshadow": "root:*::\nstaff:$6$hash::\n" };
    const findings = await new Audit([]).findings(rawRootfs([], gshadow));
    expect(findings).toEqual([{ path: "etc/gshadow", what: "holds a password hash of staff" }]);
  });

  it("finds that files belong to nobody where there is no list of accounts", async () => {
    const findings = await audited([{ name: "bin/" }]);
    expect(findings).toEqual([{ path: "bin", what: "is owned by 0:0, which is no account of the image" }]);
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
    const audit = new Audit([{ name: "a token", value: "0123456789" }]);
    const entry: Entry = { path: "slow", type: "file", mode: 0o600, uid: 0, gid: 0, mtime: 0 };
    for (const piece of ["xx012", "3", "4567", "89yy"]) audit.chunk(entry, Buffer.from(piece));
    expect(await audit.findings(rawRootfs([]))).toEqual([{ path: "slow", what: "holds a token" }]);
  });

  it("finds a secret wherever it is, also across two reads of a large file", async () => {
    const secret = "ghp_0123456789abcdef";
    // A file is read a MiB at a time.
    const body = `${"x".repeat((1 << 20) - 7)}${secret}${"y".repeat(100)}`;
    const findings = await audited(
      [...CLEAN, { name: "bin/large", body }],
      [{ name: "the value of X_TOKEN", value: secret }],
    );
    expect(findings).toEqual([{ path: "bin/large", what: "holds the value of X_TOKEN" }]);
  });

  it("names a file once, however often it holds a secret", async () => {
    // Three reads of a MiB each, every one with the secret in it.
    const body = "ghp_0123456789abcdef ".repeat((3 << 20) / 21);
    const secrets = [
      { name: "the value of X_TOKEN", value: "ghp_0123456789abcdef" },
      { name: "a longer one", value: "L".repeat(64) },
    ];
    expect(await audited([...CLEAN, { name: "bin/large", body }], secrets)).toEqual([
      { path: "bin/large", what: "holds the value of X_TOKEN" },
    ]);
  });

  it("does not join the end of one file with the start of the next", async () => {
    const entries = [...CLEAN, { name: "bin/x1", body: "abcdefgh" }, { name: "bin/x2", body: "ijklmnop" }];
    expect(await audited(entries, [{ name: "a token", value: "efghijkl" }])).toEqual([]);
  });
});
