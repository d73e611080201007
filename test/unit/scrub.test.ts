import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isScrubbed } from "../../pipeline/build/scrub.ts";
import { tempDirectory } from "../support/run.ts";
import { normalised } from "../support/tar.ts";

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
  ])("keeps %s", (path) => {
    expect(isScrubbed(path, "file")).toBe(false);
  });

  it.each([
    ...["dev", "proc", "sys", "run", "tmp", "var/tmp"],
    ...["var/log/apt", "var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "usr/share/man"],
  ])("keeps the directory %s, which programs expect", (path) => {
    expect(isScrubbed(path, "directory")).toBe(false);
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
