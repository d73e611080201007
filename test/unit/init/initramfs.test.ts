import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { REPOSITORY } from "../../support/project.ts";
import { tempDirectory } from "../../support/run.ts";

const INIT = join(REPOSITORY, "init/initramfs/init");
/** The shells that are `/bin/sh` in the images: Debian's, and Alpine's. */
const SHELLS = ["dash", "busybox ash"];

describe.each(SHELLS)("/init of an appliance under %s", (shell) => {
  const [program = "", ...applet] = shell.split(" ");
  const present = !spawnSync(program, [...applet, "-c", "true"]).error;
  if (!present) console.warn(`${program} is not installed: /init is not tested with it here.`);
  const test = it.runIf(present);

  /** Runs `script` with the functions of /init. Nothing is mounted, and nothing is powered off. */
  const run = (script: string, cmdline = "") => {
    const setting = [
      `. ${INIT}`,
      "power_off() { echo off; exit 7; }",
      "mount() { echo mount $*; }",
      "mkdir() { echo mkdir $*; }",
      `set -f; MODE=release ROOT_MIB=1536 cmdline="${cmdline}"`,
    ];
    const { stdout, status } = spawnSync(program, [...applet, "-c", [...setting, script].join("\n")], {
      encoding: "utf8",
      input: "",
    });
    return { stdout, status };
  };

  test("takes the last value of a parameter", () => {
    expect(run("parameter root_mib; parameter none", "a root_mib=1 xroot_mib=2 root_mib=3 b").stdout).toBe(
      "3\n\n",
    );
    expect(run("is_set report && echo yes", "report=poweroff").stdout).toBe("yes\n");
    expect(run("is_set report || echo no", "reports noreport").stdout).toBe("no\n");
  });

  test("makes a tmpfs of the declared size, or of the one on the command line", () => {
    const made = (mib: number) =>
      `mkdir -p /mnt/root\nmount -t tmpfs -o size=${mib}m,mode=755 root /mnt/root\n`;
    const mounted = "free_mib() { echo 2000; }; mount_root";
    expect(run(mounted)).toEqual({ stdout: made(1536), status: 0 });
    expect(run(mounted, "root_mib=64")).toEqual({ stdout: made(64), status: 0 });
  });

  test.each(["12x", "0", "0x10", "-5", "1.5"])("refuses root_mib=%s", (value) => {
    expect(run("free_mib() { echo 2000; }; mount_root", `root_mib=${value}`)).toEqual({
      stdout: `INITRAMFS_ERR root_mib: "${value}" is not a number of MiB\noff\n`,
      status: 7,
    });
  });

  test("says how much memory is missing", () => {
    expect(run("free_mib() { echo 900; }; mount_root")).toEqual({
      stdout:
        "INITRAMFS_ERR too little memory: the tmpfs takes up to 1536 MiB, but only 900 MiB are free; give the machine more memory, or a smaller root_mib=\noff\n",
      status: 7,
    });
  });

  test("names every program that is missing", () => {
    expect(run("need cat no_such_program sed no_other").stdout).toBe(
      "INITRAMFS_ERR missing in the image: no_such_program no_other\noff\n",
    );
  });

  test("starts a shell in debug mode only", () => {
    expect(run("MODE=debug; fail words").stdout).toBe(
      "INITRAMFS_ERR words\ninitramfs: this is a rescue shell; the machine powers off when it ends\noff\n",
    );
    expect(run("fail words").stdout).toBe("INITRAMFS_ERR words\noff\n");
  });

  test.each([
    ["YAML", "sshd: Running\nkeys: Success\nbad-one: Error(Exited(Pid(12), 1))\n"],
    ["JSON", '{"sshd":"Running","keys":"Success","bad-one":"Error(Exited(Pid(12), 1))"}'],
  ])("reads the list of services as %s", (_, text) => {
    const directory = tempDirectory();
    writeFileSync(join(directory, "list"), text);
    writeFileSync(join(directory, "zinit"), `#!/bin/sh\ncat ${directory}/$1\n`, { mode: 0o755 });
    expect(run(`INIT="${directory}/zinit init"; list_services`).stdout).toBe(
      "sshd Running\nkeys Success\nbad-one Error\n",
    );
  });

  test("loads the essential drivers in their order, and names one that does not load", () => {
    const modules = join(tempDirectory(), "modules");
    writeFileSync(modules, "# comment\nvirtio_blk\n\nbad\nnever\n");
    const modprobe =
      'modprobe() { [ $1 != bad ] || { echo "modprobe: FATAL: Module bad not found." >&2; return 1; }; }';
    expect(run(`${modprobe}; MODE=debug MODULES=${modules}; sh() { :; }; load_essential`).stdout).toBe(
      [
        "initramfs: module virtio_blk",
        "INITRAMFS_ERR the module bad does not load: Module bad not found.",
        "initramfs: this is a rescue shell; the machine powers off when it ends\noff\n",
      ].join("\n"),
    );
  });
});
