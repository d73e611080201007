import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { REPOSITORY } from "../../support/project.ts";
import { tempDirectory } from "../../support/run.ts";

const SCRIPT = join(REPOSITORY, "dockerfiles/kernel/check-config");

/** What the check says of a fragment, against what was resolved, for a kernel that knows NET, FAST and SIZE. */
function check(fragment: string, resolved: string, more = "") {
  const root = tempDirectory();
  mkdirSync(join(root, "tree/net"), { recursive: true });
  writeFileSync(join(root, "tree/net/Kconfig.net"), "config NET\n\nmenuconfig FAST\n\n  config SIZE\n");
  const files = { config: resolved, "common.config": fragment, "amd64.config": more };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
  const [config, ...fragments] = Object.keys(files).map((name) => join(root, name));
  const { status, stdout } = spawnSync("sh", [SCRIPT, join(root, "tree"), config!, ...fragments], {
    encoding: "utf8",
  });
  return { status, stdout };
}

it("accepts lines that hold, of both kinds, and a symbol that is off because it is nowhere", () => {
  const wanted =
    'CONFIG_NET=y\n# CONFIG_FAST is not set\n# why\n\nCONFIG_SIZE="a b"\n# CONFIG_GONE is not set\n';
  const resolved = 'CONFIG_NET=y\n# CONFIG_FAST is not set\nCONFIG_SIZE="a b"\nCONFIG_ELSE=y\n';
  expect(check(wanted, resolved)).toEqual({ status: 0, stdout: "" });
});

it.each([
  ["CONFIG_NETT=y\n", "CONFIG_NET=y\n", "CONFIG_NETT is no symbol of this kernel"],
  [
    "CONFIG_FAST=y\n",
    "# CONFIG_FAST is not set\n",
    "CONFIG_FAST did not survive: y was asked for, and it is n",
  ],
  ["CONFIG_SIZE=4\n", "CONFIG_SIZE=8\n", "CONFIG_SIZE did not survive: 4 was asked for, and it is 8"],
  ["# CONFIG_NET is not set\n", "CONFIG_NET=y\n", "CONFIG_NET did not survive: n was asked for, and it is y"],
  ["CONFIG_NET=y\nNET=y\n", "CONFIG_NET=y\n", "is no line of a configuration: NET=y"],
])("names the line of %j that came to nothing", (wanted, resolved, reason) => {
  const { status, stdout } = check(wanted, resolved);
  expect(status).toBe(1);
  const line = wanted.trim().split("\n").length;
  expect(stdout).toContain(`error: dockerfiles/kernel/common.config:${line}: ${reason}`);
});

it("names a line that another fragment has already, and every other line that came to nothing", () => {
  const { status, stdout } = check(
    "CONFIG_NET=y\nCONFIG_A=y\n",
    "CONFIG_NET=y\n",
    "CONFIG_NET=y\nCONFIG_B=y\n",
  );
  expect(status).toBe(1);
  expect(stdout).toMatch(/amd64\.config:1: CONFIG_NET was named before, at .*common\.config:1\n/);
  expect(stdout.match(/^error: /gm)).toHaveLength(3);
});

it.each(["amd64", "arm64"])(
  "what a microVM for agents needs is asked for on %s, and modules are not",
  (arch) => {
    const read = (name: string) =>
      readFileSync(join(REPOSITORY, `dockerfiles/kernel/${name}.config`), "utf8");
    const asked = new Set(`${read("common")}\n${read(arch)}`.split("\n"));
    const needed = [
      ...["VIRTIO_BLK", "VIRTIO_NET", "HW_RANDOM_VIRTIO", "VIRTIO_VSOCKETS", "VIRTIO_CONSOLE"],
      ...["VIRTIO_PCI", "VIRTIO_MMIO", "EXT4_FS", "OVERLAY_FS", "TMPFS", "DEVTMPFS_MOUNT", "IP_PNP"],
      ...["SECCOMP_FILTER", "USER_NS", "PID_NS", "NET_NS", "CGROUPS", "MEMCG", "IO_URING", "INOTIFY_USER"],
      ...["FUSE_FS", "IKCONFIG_PROC", ...(arch === "amd64" ? ["PVH"] : [])],
    ];
    expect(needed.filter((symbol) => !asked.has(`CONFIG_${symbol}=y`))).toEqual([]);
    expect(asked).toContain("# CONFIG_MODULES is not set");
    expect([...asked].filter((line) => line.endsWith("=m"))).toEqual([]);
  },
);
