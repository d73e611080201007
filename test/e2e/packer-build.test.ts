import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { AlpineBaseContributor } from "../../pipeline/constructs/packer/alpine/base.ts";
import { alpineIso } from "../../pipeline/constructs/packer/alpine/iso.ts";
import type { Contributor } from "../../pipeline/constructs/packer/contributor.ts";
import { synth } from "../../pipeline/synth/synth.ts";
import { generateKey, login, runCommand } from "../../pipeline/vm/ssh.ts";
import { hasAlpine } from "../support/alpine.ts";
import { ALPINE_IMAGE, importAlpine, removeAlpine } from "../support/alpine-container.ts";
import { alpineMedium } from "../support/alpine-medium.ts";
import { boxApp } from "../support/box.ts";
import { FileServer } from "../support/file-server.ts";
import { command, REPOSITORY } from "../support/project.ts";

/** The medium, and the machine that boots from its disk, are emulated, on a machine that may have other work. */
const PATIENCE_MS = 20 * 60_000;
const VERSION = "3.19.1";
const REPO = join(REPOSITORY, "../shared/alpine/repo/x86_64");

/** What a script leaves in the machine, as somebody's own contributor adds it. */
const note: Contributor = {
  ...{ name: "note", order: 50 },
  contribute: ({ name }) => ({ scripts: [{ name: "note.sh", text: `echo made by ${name} >/etc/box\n` }] }),
};

/** A port on loopback that nobody listens on. */
const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** Ends a process, and waits until it has ended. */
const end = (child: ChildProcess) =>
  new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("close", () => resolve());
    child.kill("SIGKILL");
  });

it.runIf(hasAlpine)(
  "packer build installs Alpine from its medium, provisions it over SSH, and makes an image that boots",
  { timeout: 2 * PATIENCE_MS },
  async () => {
    const root = mkdtempSync(join(tmpdir(), "smolvm-packer-"));
    onTestFinished(() => rmSync(root, { recursive: true, force: true }));
    importAlpine();
    onTestFinished(removeAlpine);
    mkdirSync(join(root, "medium"));
    const iso = alpineMedium(ALPINE_IMAGE, join(root, "medium"));

    const mirror = await FileServer.start();
    const path = alpineIso("", VERSION, "x86_64");
    const sha256 = createHash("sha256").update(iso).digest("hex");
    mirror.files.set(path, iso);
    mirror.files.set(`${path}.sha256`, Buffer.from(`${sha256}  ${path.split("/").at(-1)}\n`));
    for (const name of readdirSync(REPO)) {
      for (const component of ["main", "community"]) {
        mirror.files.set(`/v3.19/${component}/x86_64/${name}`, readFileSync(join(REPO, name)));
      }
    }

    const key = generateKey();
    const box = boxApp({
      // QEMU's address of the host's loopback.
      ...{
        version: VERSION,
        mirror: mirror.url.replace("127.0.0.1", "10.0.2.2"),
        rootKey: key.publicKey.trim(),
      },
      ...{ hostname: "lab", domain: "example.com", ntp: "none", diskMib: 1024, cpus: 1, bootWaitS: 90 },
      contributors: [new AlpineBaseContributor(), note],
    });
    for (const [file, text] of synth(box)) {
      if (!file.startsWith("out/packer/")) continue;
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), text);
    }

    const flags = [
      "-color=false",
      "-only=box.qemu.*",
      "-var",
      "accelerator=tcg",
      "-var",
      `mirror=${mirror.url}`,
    ];
    const built = await command(["packer", "build", ...flags, "out/packer/box/box.pkr.json"], {
      root,
      env: { CHECKPOINT_DISABLE: "1", PACKER_CACHE_DIR: join(root, "cache") },
    });
    expect(built.exitCode, built.stdout + built.stderr).toBe(0);
    expect(built.stdout).toContain("Build 'box.qemu.alpine-3.19.1' finished");
    const image = join(root, "out/images/box/qemu/box.qcow2");
    expect(existsSync(image)).toBe(true);
    expect(spawnSync("qemu-img", ["check", "-q", image]).status).toBe(0);

    const port = await freePort();
    const disk = ["-drive", `file=${image},if=none,id=disk,format=qcow2`, "-device", "virtio-scsi-pci"];
    const network = ["-netdev", `user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22`];
    const devices = ["-device", "scsi-hd,drive=disk", ...network, "-device", "virtio-net,netdev=net"];
    const machine = spawn(
      "qemu-system-x86_64",
      ["-accel", "tcg", "-m", "1024", "-display", "none", ...disk, ...devices],
      { stdio: "ignore" },
    );
    onTestFinished(() => end(machine));
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const client = await login({ host: "127.0.0.1", port }, key, signal);
    onTestFinished(() => void client.destroy());
    const { output } = await runCommand(
      client,
      [
        "sh",
        "-c",
        "cat /etc/box /etc/alpine-release; hostname -f; sshd -T | grep ^permitrootlogin; ls /etc/ssh/*.pub",
      ],
      signal,
    );
    expect(output.trim().split("\n").slice(0, 4)).toEqual([
      ...["made by box", "3.19.4", "lab.example.com", "permitrootlogin without-password"],
    ]);
    // Its own, made at this boot.
    expect(output).toContain("/etc/ssh/ssh_host_ed25519_key.pub");
  },
);
