import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "./project.ts";

const SOURCES = join(REPOSITORY, "test/support/alpine-medium");

/**
 * Makes an installation medium that boots by BIOS: Alpine as the test data has it, whose own `setup-alpine` it runs, with Debian's
 * cloud kernel. `alpine-medium/setup-disk` takes the place of the one step that the test data has no packages for.
 * @param image a container image of Alpine
 * @param work an empty directory
 * @returns the ISO image
 */
export function alpineMedium(image: string, work: string): Buffer {
  const at = (...path: string[]) => join(work, ...path);
  for (const directory of ["medium/glibc", "kernel", "out", "iso/isolinux"])
    mkdirSync(at(directory), { recursive: true });
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { cwd: work, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

  const depends = run("apt-cache", "depends", "--important", "linux-image-cloud-amd64");
  const [, kernel] = /Depends: (linux-image-\S+)/.exec(depends) ?? [];
  if (kernel === undefined) throw new Error(`linux-image-cloud-amd64 depends on no kernel: ${depends}`);
  run("apt-get", "download", "-qq", kernel);
  run("dpkg-deb", "--extract", readdirSync(work).find((name) => name.endsWith(".deb"))!, "kernel");
  const vmlinuz = readdirSync(at("kernel/boot")).find((name) => name.startsWith("vmlinuz-"))!;

  cpSync(SOURCES, at("medium"), { recursive: true });
  copyFileSync(at("kernel/boot", vmlinuz), at("medium/vmlinuz"));
  copyFileSync("/usr/bin/extlinux", at("medium/extlinux"));
  copyFileSync("/usr/lib/syslinux/mbr/mbr.bin", at("medium/mbr.bin"));
  copyFileSync("/lib64/ld-linux-x86-64.so.2", at("medium/glibc/ld-linux-x86-64.so.2"));
  copyFileSync("/lib/x86_64-linux-gnu/libc.so.6", at("medium/glibc/libc.so.6"));
  const volumes = [
    ...["--volume", `${at("medium")}:/medium:ro`, "--volume", `${at("kernel")}:/kernel`],
    ...[
      "--volume",
      `${join(REPOSITORY, "../shared/alpine/repo")}:/packages:ro`,
      "--volume",
      `${at("out")}:/out`,
    ],
  ];
  run("docker", "run", "--rm", "--network", "none", ...volumes, image, "sh", "/medium/make");

  copyFileSync(at("medium/vmlinuz"), at("iso/vmlinuz"));
  copyFileSync(at("out/initrd"), at("iso/initrd"));
  copyFileSync("/usr/lib/ISOLINUX/isolinux.bin", at("iso/isolinux/isolinux.bin"));
  copyFileSync("/usr/lib/syslinux/modules/bios/ldlinux.c32", at("iso/isolinux/ldlinux.c32"));
  const entry = ["LINUX /vmlinuz", "INITRD /initrd", "APPEND quiet console=ttyS0 console=tty0"];
  writeFileSync(
    at("iso/isolinux/isolinux.cfg"),
    `DEFAULT medium\nLABEL medium\n${entry.map((line) => `  ${line}\n`).join("")}`,
  );
  const boot = ["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat"];
  const table = ["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"];
  run("genisoimage", "-quiet", "-R", "-o", "medium.iso", ...boot, ...table, "iso");
  return readFileSync(at("medium.iso"));
}
