import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { npmPackages } from "../../../../../pipeline/image/rootfs/npm-packages.ts";
import { type Accounting, account } from "../../../../../pipeline/image/rootfs/ownership/account.ts";
import { plainRecipe, type Recipe } from "../../../../../pipeline/image/rootfs/ownership/recipe.ts";
import { listPackages } from "../../../../../pipeline/image/rootfs/packages.ts";
import { tempDirectory } from "../../../../support/run.ts";
import { normalised, type TestEntry, tree } from "../../../../support/tar.ts";

const accountOf = (entries: readonly TestEntry[], recipe: Partial<Recipe> = {}): Promise<Accounting> =>
  normalised(join(tempDirectory(), "spool.tar"), entries, async (rootfs) => {
    const npm = await npmPackages(rootfs);
    const packages = await listPackages(rootfs, npm);
    return await account(rootfs, { packages, npm, recipe: { ...plainRecipe("a-cell"), ...recipe } });
  });

/** The owners of all files: `origin name` by path; `-` for nobody. */
async function ownersOf(files: Readonly<Record<string, string>>, recipe: Partial<Recipe> = {}) {
  const { ownerOf } = await accountOf(tree(files), recipe);
  return Object.fromEntries(
    Object.keys(files).map((path) => {
      const owner = ownerOf(path);
      return [path, owner ? `${owner.origin} ${owner.name}` : "-"];
    }),
  );
}

const STATUS = ["bash", "dash", "libc6", "libreadline8t64", "ca-certificates", "dpkg"]
  .map((name) => `Package: ${name}\nStatus: install ok installed\nVersion: 1\n`)
  .join("\n");
const debian = (files: Record<string, string>) => ({ "var/lib/dpkg/status": STATUS, ...files });

describe("dpkg's files", () => {
  it("are those of its lists, also of one of several archs, where merged /usr has them", async () => {
    const files = debian({
      bin: "-> usr/bin",
      "usr/bin/bash": "program",
      "usr/lib/x86_64-linux-gnu/libc.so.6": "library",
      lib: "-> usr/lib",
      "var/lib/dpkg/info/bash.list": "/.\n/bin\n/bin/bash\n/etc\n/etc/skel/.bashrc\n",
      "var/lib/dpkg/info/bash.md5sums": "x",
      "var/lib/dpkg/info/libc6:amd64.list": "/.\n/lib/x86_64-linux-gnu/libc.so.6\n",
      "etc/skel/.bashrc": "x",
      "usr/bin/bash2": "somebody's",
    });
    expect(await ownersOf(files)).toEqual({
      "var/lib/dpkg/status": "scripts dpkg",
      bin: "deb bash",
      "usr/bin/bash": "deb bash",
      "usr/lib/x86_64-linux-gnu/libc.so.6": "deb libc6",
      lib: "-",
      "var/lib/dpkg/info/bash.list": "deb bash",
      "var/lib/dpkg/info/bash.md5sums": "deb bash",
      "var/lib/dpkg/info/libc6:amd64.list": "deb libc6",
      "etc/skel/.bashrc": "deb bash",
      "usr/bin/bash2": "-",
    });
  });

  it("are not those of a package that is no longer installed", async () => {
    const status = `${STATUS}\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n`;
    const files = {
      "var/lib/dpkg/status": status,
      "var/lib/dpkg/info/gone.list": "/etc/gone\n",
      "etc/gone": "x",
    };
    expect(await ownersOf(files)).toMatchObject({ "etc/gone": "-", "var/lib/dpkg/info/gone.list": "-" });
  });

  it("are where a diversion has put them", async () => {
    const files = debian({
      "var/lib/dpkg/diversions": "/bin/sh\n/bin/sh.distrib\ndash\n",
      "var/lib/dpkg/info/bash.list": "/bin/sh\n",
      "var/lib/dpkg/info/dash.list": "/bin/sh\n",
      "bin/sh": "dash's",
      "bin/sh.distrib": "bash's",
    });
    expect(await ownersOf(files)).toMatchObject({ "bin/sh": "deb dash", "bin/sh.distrib": "deb bash" });
  });
});

describe.each(["lib/apk/db/installed", "usr/lib/apk/db/installed"])("apk's files, of %s,", (database) => {
  it("are those of its database", async () => {
    const installed =
      "P:alpine-baselayout\nV:1\nF:\nR:top\nF:etc\nM:0:0:755\nR:motd\nZ:Q1x=\n\nP:apk-tools\nV:2\nF:sbin\nR:apk\na:0:0:755\n";
    const files = { [database]: installed, top: "x", "etc/motd": "x", "sbin/apk": "x", "etc/other": "x" };
    expect(await ownersOf(files)).toEqual({
      [database]: "scripts apk-tools",
      top: "apk alpine-baselayout",
      "etc/motd": "apk alpine-baselayout",
      "sbin/apk": "apk apk-tools",
      "etc/other": "-",
    });
  });
});

describe("npm's files", () => {
  const manifest = (name: string) => JSON.stringify({ name, version: "1.0.0" });

  it("belong to the innermost package around them", async () => {
    const files = {
      "opt/a/node_modules/outer/package.json": manifest("outer"),
      "opt/a/node_modules/outer/lib/x.js": "x",
      "opt/a/node_modules/outer/dist/package.json": '{"type":"module"}',
      "opt/a/node_modules/outer/dist/y.js": "x",
      "opt/a/node_modules/outer/node_modules/@s/inner/package.json": manifest("@s/inner"),
      "opt/a/node_modules/outer/node_modules/@s/inner/z.js": "x",
      "opt/a/node_modules/outer/node_modules/loose.js": "x",
      "opt/a/node_modules/loose.js": "x",
      "opt/a/node_modules/@s/loose.js": "x",
      "opt/a/loose.js": "x",
    };
    expect(await ownersOf(files)).toEqual({
      "opt/a/node_modules/outer/package.json": "npm outer",
      "opt/a/node_modules/outer/lib/x.js": "npm outer",
      "opt/a/node_modules/outer/dist/package.json": "npm outer",
      "opt/a/node_modules/outer/dist/y.js": "npm outer",
      "opt/a/node_modules/outer/node_modules/@s/inner/package.json": "npm @s/inner",
      "opt/a/node_modules/outer/node_modules/@s/inner/z.js": "npm @s/inner",
      "opt/a/node_modules/outer/node_modules/loose.js": "npm outer",
      "opt/a/node_modules/loose.js": "-",
      "opt/a/node_modules/@s/loose.js": "-",
      "opt/a/loose.js": "-",
    });
  });

  it("are not what the files of a package say about other directories", async () => {
    const files = {
      // None of these places is a package's directory, whatever is in it.
      "opt/a/package.json": manifest("project"),
      "opt/a/node_modules/package.json": manifest("everything"),
      "opt/a/node_modules/@s/package.json": manifest("scope"),
      "opt/a/node_modules/bad/package.json": JSON.stringify({
        ...{ name: "bad", version: "1.0.0", files: ["/**"], bin: "../../../usr/bin/sh" },
        directories: { lib: "/usr" },
      }),
      "opt/a/node_modules/bad/x.dist-info/RECORD": "/usr/bin/sh,,\n../../../../usr/bin/sh,,\n",
      "opt/a/node_modules/bad/lib/python3.13/site-packages/x.dist-info/RECORD": "../../../../other/y.js,,\n",
      "opt/a/node_modules/bad/var/lib/dpkg/status": STATUS,
      "opt/a/node_modules/bad/var/lib/dpkg/info/bash.list": "/usr/bin/sh\n",
      "opt/a/node_modules/other/y.js": "x",
      "usr/bin/sh": "x",
    };
    const owners = await ownersOf(files);
    expect(Object.entries(owners).filter(([, owner]) => owner === "-")).toEqual([
      ["opt/a/package.json", "-"],
      ["opt/a/node_modules/package.json", "-"],
      ["opt/a/node_modules/@s/package.json", "-"],
      ["opt/a/node_modules/other/y.js", "-"],
      ["usr/bin/sh", "-"],
    ]);
  });

  it("have links to their programs, which lead into a package beside them", async () => {
    const files = {
      "opt/a/node_modules/tool/package.json": manifest("tool"),
      "opt/a/node_modules/tool/cli.js": "x",
      "opt/a/node_modules/.bin/tool": "-> ../tool/cli.js",
      "opt/a/node_modules/.bin/gone": "-> ../tool/gone.js",
      "opt/a/node_modules/.bin/sh": "-> /bin/sh",
      "opt/a/node_modules/.bin/file": "x",
      "opt/b/node_modules/.bin/tool": "-> /opt/a/node_modules/tool/cli.js",
      "bin/sh": "x",
    };
    expect(await ownersOf(files)).toMatchObject({
      "opt/a/node_modules/.bin/tool": "npm tool",
      "opt/a/node_modules/.bin/gone": "-",
      "opt/a/node_modules/.bin/sh": "-",
      "opt/a/node_modules/.bin/file": "-",
      "opt/b/node_modules/.bin/tool": "-",
    });
  });
});

describe("Python's files", () => {
  const site = "opt/agent/.venv/lib/python3.13/site-packages";

  it("are those of each package's record, in an environment of its own also its programs", async () => {
    const record = [
      ...["rich/__init__.py,sha256=x,1", '"rich/a ""b"", c.py",,', "rich-14.1.0.dist-info/RECORD,,"],
      "rich-14.1.0.dist-info/METADATA,,",
      ...["../../../bin/rich,sha256=x,1", "../../../../outside,,", "/usr/bin/absolute,,", "missing.py,,", ""],
    ];
    const files = {
      [`${site}/rich-14.1.0.dist-info/RECORD`]: record.join("\r\n"),
      [`${site}/rich-14.1.0.dist-info/METADATA`]: "Name: rich\nVersion: 14.1.0\n",
      [`${site}/rich/__init__.py`]: "x",
      [`${site}/rich/a "b", c.py`]: "x",
      [`${site}/rich/not-recorded.py`]: "x",
      "opt/agent/.venv/bin/rich": "x",
      "opt/agent/outside": "x",
      "usr/bin/absolute": "x",
    };
    expect(await ownersOf(files)).toEqual({
      [`${site}/rich-14.1.0.dist-info/RECORD`]: "pypi rich-14.1.0",
      [`${site}/rich-14.1.0.dist-info/METADATA`]: "pypi rich-14.1.0",
      [`${site}/rich/__init__.py`]: "pypi rich-14.1.0",
      [`${site}/rich/a "b", c.py`]: "pypi rich-14.1.0",
      [`${site}/rich/not-recorded.py`]: "-",
      "opt/agent/.venv/bin/rich": "pypi rich-14.1.0",
      "opt/agent/outside": "-",
      "usr/bin/absolute": "-",
    });
  });

  it("are none of a record without metadata, which the inventory cannot name, or of what is no file", async () => {
    const files = {
      [`${site}/bad-1.0.dist-info/RECORD`]: "bad.py,,\n",
      [`${site}/bad.py`]: "x",
      [`${site}/worse-1.0.dist-info/METADATA/x`]: "x",
      [`${site}/worse-1.0.dist-info/RECORD/x`]: "x",
    };
    expect(Object.values(await ownersOf(files))).toEqual(["-", "-", "-", "-"]);
  });

  it("are in no directory of the distribution's programs", async () => {
    const system = "usr/lib/python3/dist-packages";
    const files = {
      [`${system}/bad-1.0.dist-info/METADATA`]: "Name: bad\nVersion: 1.0\n",
      [`${system}/bad-1.0.dist-info/RECORD`]: "bad.py,,\n../../../bin/sh,,\n",
      [`${system}/bad.py`]: "x",
      "usr/bin/sh": "x",
    };
    expect(await ownersOf(files)).toMatchObject({ [`${system}/bad.py`]: "pypi bad-1.0", "usr/bin/sh": "-" });
  });
});

describe("the recipe's files", () => {
  it("are those that every image gets, and those that a cell copies in and writes", async () => {
    const source = { type: "generic", version: "1", source: "a test" } as const;
    const files = {
      init: "x",
      "etc/smolvm/sshd_config": "x",
      "etc/hosts": "x",
      "usr/local/bin/node": "x",
      "usr/local/bin/npm": "x",
      "opt/agent/main.py": "x",
      "opt/agent/.venv/pyvenv.cfg": "x",
      "opt/agent/.venv/other": "x",
      "opt/agent2/main.py": "x",
      "usr/local/bin/agent/x": "x",
    };
    const recipe = {
      copies: [
        { path: "/usr/local/bin/node", name: "node", ...source },
        { path: "/opt/agent", except: [".venv"], name: "agent", ...source },
      ],
      writes: [...plainRecipe("").writes, "/opt/agent/.venv/pyvenv.*", "/usr/local/bin/*"],
    };
    expect(await ownersOf(files, recipe)).toEqual({
      init: "recipe a-cell",
      "etc/smolvm/sshd_config": "recipe a-cell",
      "etc/hosts": "recipe a-cell",
      "usr/local/bin/node": "recipe node",
      "usr/local/bin/npm": "recipe a-cell",
      "opt/agent/main.py": "recipe agent",
      "opt/agent/.venv/pyvenv.cfg": "recipe a-cell",
      "opt/agent/.venv/other": "-",
      "opt/agent2/main.py": "-",
      "usr/local/bin/agent/x": "-",
    });
  });

  it("and those that are declared to have no owner", async () => {
    const files = {
      "etc/agent/a.conf": "x",
      "etc/agent/deep/b.conf": "x",
      "etc/agent.conf": "x",
      "srv/a/b": "x",
    };
    const unowned = [
      { paths: "/etc/agent/*", reason: "the agent's settings" },
      { paths: "/srv/**", reason: "data" },
    ];
    expect(await ownersOf(files, { unowned })).toEqual({
      "etc/agent/a.conf": "declared the agent's settings",
      "etc/agent/deep/b.conf": "-",
      "etc/agent.conf": "-",
      "srv/a/b": "declared data",
    });
    const { declared } = await accountOf(tree({ "srv/a/b": "x" }), { unowned });
    expect([...declared]).toEqual(["/srv/**"]);
  });
});

describe("what scripts made", () => {
  it("belongs to the package of the script, where that is installed", async () => {
    const certificates = {
      "etc/ssl/certs/ca-certificates.crt": "x",
      "etc/ssl/certs/A.pem": "-> /usr/share/ca-certificates/mozilla/A.crt",
      "etc/ssl/certs/0a1b2c3d.0": "-> A.pem",
    };
    expect(await ownersOf(debian(certificates))).toMatchObject({
      "etc/ssl/certs/ca-certificates.crt": "scripts ca-certificates",
      "etc/ssl/certs/A.pem": "scripts ca-certificates",
      "etc/ssl/certs/0a1b2c3d.0": "scripts ca-certificates",
    });
    expect(Object.values(await ownersOf(certificates))).toEqual(["-", "-", "-"]);
  });

  it("is a link where scripts make links, and leads to where those lead", async () => {
    const files = debian({
      "etc/ssl/certs/A.pem": "an authority that nobody knows",
      "etc/ssl/certs/B.pem": "-> /opt/B.crt",
      "usr/bin/awk": "-> /etc/alternatives/awk",
      "usr/bin/nawk": "-> /opt/nawk",
      "usr/bin/gawk": "a program",
    });
    expect(await ownersOf(files)).toMatchObject({
      "etc/ssl/certs/A.pem": "-",
      "etc/ssl/certs/B.pem": "-",
      "usr/bin/awk": "scripts dpkg",
      "usr/bin/nawk": "-",
      "usr/bin/gawk": "-",
    });
  });
});

describe("the figures", () => {
  it("count every file and symlink once, and the bytes of hard links once", async () => {
    const list = "/bin/bash\n/bin/rbash\n";
    const files = debian({
      "var/lib/dpkg/info/bash.list": list,
      "bin/bash": "0123456789",
      "bin/other": "abc",
      "bin/link": "-> other",
      "bin/larger": "abcdef",
    });
    const { totals, unowned } = await accountOf([
      ...tree(files),
      { name: "bin/rbash", type: "link", linkname: "bin/bash" },
      { name: "bin/same", type: "link", linkname: "bin/bash" },
    ]);
    expect(totals.deb).toEqual({ files: 3, bytes: 10 + list.length });
    expect(totals.scripts).toEqual({ files: 1, bytes: STATUS.length });
    expect(totals.unowned).toEqual({ files: 4, bytes: 9 });
    expect(unowned).toEqual([
      { path: "bin/larger", bytes: 6 },
      { path: "bin/other", bytes: 3 },
      { path: "bin/link", bytes: 0 },
      { path: "bin/same", bytes: 0 },
    ]);
  });
});
