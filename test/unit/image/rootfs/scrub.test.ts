import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isScrubbed, REWRITTEN } from "../../../../pipeline/image/rootfs/scrub.ts";
import { tempDirectory } from "../../../support/run.ts";
import { normalised } from "../../../support/tar.ts";

describe("scrubbing", () => {
  it.each([
    // Docker's and the build's own.
    ".dockerenv",
    "dev/null",
    "proc/1/status",
    "sys/kernel",
    "run/lock",
    "tmp/network/ca.pem",
    "var/tmp/x",
    // Traces of the account that built.
    "root/.npm/_cacache/x",
    "root/.cache/pip/x",
    "root/.config/configstore/update.json",
    "root/.local/share/uv/x",
    "root/.bash_history",
    "root/.ash_history",
    "root/.wget-hsts",
    "home/agent/.python_history",
    // Documentation.
    "usr/local/lib/node_modules/npm/docs/output/commands/npm.html",
    "usr/local/lib/node_modules/npm/man/man1/npm.1",
    // What differs from build to build.
    "usr/lib/python3/__pycache__/a.pyc",
    "var/log/dpkg.log",
    "var/log/apt/history.log",
    "var/cache/apt/pkgcache.bin",
    "var/cache/ldconfig/aux-cache",
    "var/cache/debconf/config.dat-old",
    "var/lib/apt/lists/archive_InRelease",
    "var/lib/apt/extended_states.lock",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/lock-frontend",
    "etc/passwd-",
    "etc/gshadow-",
    "etc/.pwd.lock",
    // What every machine has of its own.
    "etc/ssh/ssh_host_ed25519_key",
    "etc/ssh/ssh_host_rsa_key.pub",
    "etc/machine-id",
    "var/lib/dbus/machine-id",
    "etc/resolv.conf",
    // What nobody reads in a microVM.
    "usr/share/man/man1/ls.1.gz",
    "usr/share/info/dir",
    "usr/share/lintian/overrides/bash",
    "usr/share/doc/bash/README",
    // For compilers and debuggers.
    "usr/local/include/node/node.h",
    "usr/lib/x86_64-linux-gnu/perl/5.40.1/CORE/perl.h",
    "opt/agent/node_modules/@scope/a/dist/index.d.mts",
    "opt/agent/node_modules/a/index.js.map",
    "opt/agent/node_modules/a/index.d.ts",
    "opt/agent/node_modules/a/index.d.cts",
    "opt/agent/node_modules/a/index.cjs.map",
    "opt/agent/node_modules/a/index.ts.map",
    "opt/agent/node_modules/a/style.css.map",
    "usr/include/stdio.h",
    "usr/share/doc/bash/copyright.gz",
    "__pycache__/a.pyc",
    "root/.node_repl_history",
    "home/agent/.cache/x",
    "var/lib/dpkg/lock",
    ...["etc/group-", "etc/shadow-", "etc/subuid-", "etc/subgid-"],
  ])("leaves out %s", (path) => {
    expect(isScrubbed(path, "file")).toBe(true);
  });

  it.each([
    ["root/.cache/pip", "directory"],
    ["tmp/network", "directory"],
    ["usr/lib/python3/__pycache__", "directory"],
    // Where /etc/resolv.conf is a link, it points into the builder's /run.
    ["etc/resolv.conf", "symlink"],
  ])("leaves out %s though it is a %s", (path, type) => {
    expect(isScrubbed(path, type)).toBe(true);
  });

  it.each([
    "etc/passwd",
    "etc/shadow",
    "etc/ssh/sshd_config",
    "etc/ssl/certs/ca-certificates.crt",
    "var/lib/dpkg/status",
    "var/lib/dpkg/info/bash.list",
    "var/lib/apt/extended_states",
    "var/cache/debconf/config.dat",
    "lib/apk/db/installed",
    "usr/share/doc/bash/copyright",
    "usr/share/manifest.json",
    "root/.bashrc",
    "root/.profile",
    // The names of the root's directories mean nothing further down.
    "opt/codex/node_modules/x/tmp/y",
    "opt/codex/node_modules/x/dev/y.js",
    "opt/codex/node_modules/x/var/log/y",
    "usr/lib/node_modules/npm/man/man1/npm.1",
    // TypeScript reads them when it runs; and a map can be a program's own data.
    "opt/agent/node_modules/typescript/lib/lib.es5.d.ts",
    "opt/agent/node_modules/a/world.map",
    "opt/agent/node_modules/a/node_modules/typescript/lib/lib.es5.d.ts",
    // They only resemble what is left out: by how they begin,
    "usr/local/opt/agent/node_modules/a/index.d.ts",
    ...[
      "opt/.dockerenv",
      "opt/root/.npm/x",
      "opt/usr/share/man/x",
      "opt/usr/share/doc/x",
      "opt/usr/include/x.h",
    ],
    ...[
      "opt/var/cache/x",
      "opt/var/lib/apt/lists/x",
      "opt/var/lib/dpkg/status-old",
      "opt/var/cache/debconf/x-old",
    ],
    ...[
      "opt/etc/passwd-",
      "opt/etc/ssh/ssh_host_rsa_key",
      "opt/etc/machine-id",
      "opt/var/lib/dbus/machine-id",
    ],
    "opt/usr/lib/x86_64-linux-gnu/perl/5.40.1/CORE/perl.h",
    // or by how they end.
    ...[".dockerenv.d", "root/.npmrc", "usr/lib/__pycache__.md", "usr/lib/my__pycache__"],
    ...["etc/passwd-tools", "etc/machine-id.example", "var/lib/dbus/machine-ids"],
    ...["var/lib/dpkg/info/x-old.list", "var/cache/debconf/x-old.dat"],
    "usr/lib/x86_64-linux-gnu/perl/5.40.1/CORE/perl.html",
    "opt/agent/node_modules/a/index.d.ts.txt",
  ])("keeps %s", (path) => {
    expect(isScrubbed(path, "file")).toBe(false);
  });

  it.each([
    ...["dev", "proc", "sys", "run", "tmp", "var/tmp"],
    ...["var/log/apt", "var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "usr/share/man"],
  ])("keeps the directory %s, which programs expect", (path) => {
    expect(isScrubbed(path, "directory")).toBe(false);
  });

  it("writes anew what names the machine, and takes the passwords of accounts and groups", async () => {
    const setting = { epoch: 10 * 86_400 + 5, passwords: new Set(["agent"]) };
    const anew = (path: string, content: string) => REWRITTEN.get(path)!(content, setting);
    expect(anew("etc/hostname", "builder\n")).toBe("smolvm\n");
    const hosts = anew("etc/hosts", "10.0.0.1 builder\n").trimEnd().split("\n");
    expect(hosts.map((line) => line.split(/\s+/).slice(0, 2))).toEqual([
      ["127.0.0.1", "localhost"],
      ["::1", "localhost"],
    ]);
    expect(hosts[0]).toMatch(/\bsmolvm$/);
    expect(anew("etc/gshadow", "root:*::\nstaff:$6$hash:root:agent\nnone:::\n")).toBe(
      "root:*::\nstaff:*:root:agent\nnone:*::\n",
    );
    // But for those that were asked for; and none was changed on the day of the build.
    expect(anew("etc/shadow", "root:$6$a:1:0:99999:7:::\nagent:$6$b:1:0:99999:7:::\nuser::::::::\n")).toBe(
      "root:*:10:0:99999:7:::\nagent:$6$b:10:0:99999:7:::\nuser:*:10::::::\n",
    );
  });

  it("takes a subtree with all that is in it, and the rest stays", async () => {
    const entries = [
      ...["tmp/", "tmp/network/", "tmp/network/deep/", "var/", "var/log/", "var/log/apt/"],
      ...["tmp/network/env", "tmp/network/deep/x", "var/log/apt/term.log"],
    ].map((name) => ({ name }));
    const paths = await normalised(join(tempDirectory(), "spool.tar"), entries, async (rootfs) =>
      rootfs.entries.map(({ path }) => path),
    );
    expect(paths).toEqual(["tmp", "var", "var/log", "var/log/apt"]);
  });
});
