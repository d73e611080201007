import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AlpineBaseContributor } from "../../pipeline/constructs/packer/alpine/base.ts";
import type { PackerBundleProps } from "../../pipeline/constructs/packer/bundle.ts";
import { DockerHostContributor } from "../../pipeline/constructs/packer/docker-host.ts";
import { PodmanHostContributor } from "../../pipeline/constructs/packer/podman-host.ts";
import { VagrantBoxContributor } from "../../pipeline/constructs/packer/vagrant-box.ts";
import { synth } from "../../pipeline/synth/synth.ts";
import { hasAlpine } from "../support/alpine.ts";
import { INSIDE, importAlpine, inAlpine, removeAlpine } from "../support/alpine-container.ts";
import { boxApp } from "../support/box.ts";

const alpine = new AlpineBaseContributor();
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOIiHcbg7ytfLFHUNLRgEAubFz0000000000000000 dev@example.com";

/**
 * Packages that the test data does not have, by what they bring that a script refers to. Recorded from aports of Alpine:
 * `docker` creates its group before it is installed, and has an OpenRC service, as `podman` has.
 */
const service = (name: string) =>
  `printf '#!/sbin/openrc-run\\n' >/etc/init.d/${name}; chmod 755 /etc/init.d/${name}`;
const RECORDED: Readonly<Record<string, string>> = {
  docker: `addgroup -S docker; ${service("docker")}`,
  "docker-cli-compose": ":",
  podman: service("podman"),
  "fuse-overlayfs": ":",
  "shadow-uidmap": ":",
  bash: ":",
  sudo: "mkdir -p /etc/sudoers.d",
};

/** Stands before apk: installs what the repository has, does what the list says of the rest, and refuses all else. */
const APK = `#!/bin/sh
[ "$1" = add ] || exec /sbin/apk "$@"
for package; do
  case $package in add | -*) continue ;; esac
  echo "$package" >>/tmp/asked
  /sbin/apk info -e -q "$package" && continue
  /sbin/apk add -q --no-cache "$package" 2>/dev/null && continue
  case $package in
${Object.entries(RECORDED)
  .map(([name, brings]) => `    ${name}) ${brings} ;;`)
  .join("\n")}
    *) echo "$package is not in the recorded list" >&2; exit 1 ;;
  esac
done
`;

describe.runIf(hasAlpine)("the scripts of a box, in a real Alpine", () => {
  const work = mkdtempSync(join(tmpdir(), "smolvm-box-"));
  beforeAll(importAlpine);
  afterAll(() => {
    removeAlpine();
    rmSync(work, { recursive: true, force: true });
  });

  /** Writes the files of a box, and apk's stand-in, to a directory of its own. */
  function written(name: string, props: Partial<PackerBundleProps>): string {
    const directory = join(work, name);
    const box = boxApp({ version: "3.19.1", mirror: INSIDE, ...props });
    for (const [path, text] of synth(box)) {
      if (!path.startsWith("out/packer/box/")) continue;
      const target = join(directory, path.replace("out/packer/box/", ""));
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
    writeFileSync(join(directory, "apk"), APK, { mode: 0o755 });
    return directory;
  }

  /** An installed Alpine, as the scripts find it. */
  const INSTALLED = `
echo ${INSIDE}/v3.19/main >/etc/apk/repositories
apk add -q --no-cache alpine-base openssh-server openssh-keygen
mkdir -p /usr/local/sbin && cp /box/apk /usr/local/sbin/apk
`;
  const scripts = (...names: string[]) => names.map((name) => `sh /box/scripts/${name}.sh\n`).join("");
  /** What a box has in the end, one line each. */
  const STATE = `
echo STATE
ls /etc/runlevels/default | sed 's/^/service /'
grep ^rc_ /etc/rc.conf
sed 's/^/module /' /etc/modules
grep -E '^(docker|dev|vagrant):' /etc/group
for file in /etc/subuid /etc/subgid; do [ ! -e $file ] || sed "s,^,$file ," $file; done
cat /etc/hosts
echo END
`;
  const statesOf = (stdout: string) =>
    [...stdout.matchAll(/^STATE\n(.*?)^END$/gms)].map(([, state]) => state!.trim().split("\n"));

  it("makes it a Docker host for Vagrant; twice is as good as once", async () => {
    const contributors = [
      alpine,
      new DockerHostContributor({ users: ["dev", "vagrant"] }),
      new VagrantBoxContributor(),
    ];
    const directory = written("docker", { contributors });
    const overlays = scripts("container-host", "vagrant-box");
    const { exitCode, stdout, stderr } = await inAlpine(
      directory,
      `${INSTALLED}${scripts("alpine-base")}${overlays}${STATE}${scripts("alpine-base", "container-host")}${STATE}
echo REST; cat /etc/docker/daemon.json; echo ASKED; sort -u /tmp/asked
stat -c '%A %U %n' /home/vagrant/.ssh /home/vagrant/.ssh/authorized_keys /etc/sudoers.d/vagrant
grep ^vagrant: /etc/shadow | cut -d: -f1-2`,
    );
    expect(exitCode, stdout + stderr).toBe(0);
    const [once, twice] = statesOf(stdout);
    expect(twice).toEqual(once);
    expect(once).toEqual(
      expect.arrayContaining([
        ...["service cgroups", "service docker", 'rc_cgroup_mode="unified"', 'rc_controller_cgroups="YES"'],
        ...[
          "module overlay",
          "module br_netfilter",
          "127.0.0.1\tbox.localdomain box localhost.localdomain localhost",
        ],
      ]),
    );
    expect(once!.find((line) => line.startsWith("docker:"))).toMatch(/^docker:x:\d+:dev,vagrant$/);
    const [json, rest] = stdout.split("REST\n")[1]!.split("ASKED\n");
    expect(JSON.parse(json!)).toMatchObject({ "log-opts": { "max-size": "10m" } });
    expect(rest!.trim().split("\n")).toEqual([
      ...["bash", "docker", "docker-cli-compose", "sudo"],
      ...["drwx------ vagrant /home/vagrant/.ssh", "-rw------- vagrant /home/vagrant/.ssh/authorized_keys"],
      ...["-r--r----- root /etc/sudoers.d/vagrant", "vagrant:*"],
    ]);
  });

  it("makes it a Podman host, with ids of its own for each user; twice is as good as once", async () => {
    const contributors = [alpine, new PodmanHostContributor({ users: ["dev", "ops"] })];
    const directory = written("podman", { contributors });
    const { exitCode, stdout, stderr } = await inAlpine(
      directory,
      `${INSTALLED}${scripts("alpine-base", "container-host")}${STATE}${scripts("container-host")}${STATE}`,
    );
    expect(exitCode, stdout + stderr).toBe(0);
    const [once, twice] = statesOf(stdout);
    expect(twice).toEqual(once);
    expect(once).toEqual(
      expect.arrayContaining([
        ...["service cgroups", "service podman", 'rc_cgroup_mode="unified"', "module fuse", "module tun"],
        ...["/etc/subuid dev:100000:65536", "/etc/subuid ops:165536:65536"],
        ...["/etc/subgid dev:100000:65536", "/etc/subgid ops:165536:65536"],
      ]),
    );
  });

  it("lets root in by password for the build alone, and leaves no host key", async () => {
    const directory = written("close", {});
    // The part of the boot command that changes sshd's configuration on the new disk.
    const template = JSON.parse(synth(boxApp()).get("out/packer/box/box.pkr.json")!);
    const [, edit] =
      / && (sed [^&]+sshd_config)/.exec(template.source.qemu["alpine-3_24_2"].boot_command.at(-1)) ?? [];
    const { exitCode, stdout, stderr } = await inAlpine(
      directory,
      `${INSTALLED}ssh-keygen -A >/dev/null
echo "before $(sshd -T | grep ^permitrootlogin)"
ln -s / /target; umount /mnt 2>/dev/null || true; rmdir /mnt; ln -s / /mnt
${edit}
echo "build $(sshd -T | grep ^permitrootlogin)"
${scripts("alpine-close")}
ls /etc/ssh
ssh-keygen -A >/dev/null
echo "after $(sshd -T | grep ^permitrootlogin)"`,
    );
    expect(exitCode, stdout + stderr).toBe(0);
    expect(stdout.match(/^(before|build|after) .*/gm)).toEqual([
      ...["before permitrootlogin without-password", "build permitrootlogin yes"],
      "after permitrootlogin without-password",
    ]);
    expect(stdout).not.toContain("ssh_host_");
  });

  it("setup-alpine itself takes the answers over HTTP, up to the disk, which a container has not", async () => {
    const user = { name: "dev", key: KEY };
    const settings = {
      hostname: "lab",
      domain: "example.com",
      timezone: "UTC",
      keymap: "us us",
      ntp: "chrony",
    } as const;
    const directory = written("answers", { ...settings, user, rootKey: KEY });
    const { exitCode, stdout, stderr } = await inAlpine(
      directory,
      `${INSTALLED}rm /usr/local/sbin/apk
echo root:typed-password | chpasswd 2>/dev/null
grep ^root: /etc/shadow >/tmp/before
setup-alpine -e -f ${INSIDE}/answers </dev/null || true
echo STATE
cat /etc/hostname /etc/network/interfaces /etc/apk/repositories
ls /etc/runlevels/default | sed 's/^/service /'
readlink /etc/localtime
id -nG dev
cat /home/dev/.ssh/authorized_keys /root/.ssh/authorized_keys
grep -h ^permit /etc/doas.d/* /etc/doas.conf 2>/dev/null
ls /etc/keymap
grep ^root: /etc/shadow | cmp -s - /tmp/before && echo password kept
echo END`,
    );
    expect(exitCode, stdout + stderr).toBe(0);
    // It has come as far as the disk, and asked nothing: there was nobody to answer.
    expect(stdout).toContain("Disk & Install");
    expect(statesOf(stdout)).toEqual([
      [
        ...["lab", "auto lo", "iface lo inet loopback", "", "auto eth0", "iface eth0 inet dhcp"],
        ...["    hostname lab", `${INSIDE}/v3.19/main`, `${INSIDE}/v3.19/community`],
        ...["service chronyd", "service sshd", "/etc/zoneinfo/UTC", "dev wheel audio input video netdev"],
        ...[KEY, KEY, "permit persist :wheel", "us.bmap.gz", "password kept"],
      ],
    ]);
  });
});
