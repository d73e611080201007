/** The files that every image needs to boot: source path in the project, path in the image, and file mode. */
export const BOOT_FILES = [
  { from: "init/init", to: "/init", mode: 0o755 },
  { from: "init/sshd_config", to: "/etc/smolvm/sshd_config", mode: 0o644 },
] as const;

/** The Dockerfile lines that copy them into an image. */
export const COPY_BOOT_FILES: readonly string[] = BOOT_FILES.map(({ from, to }) => `COPY ${from} ${to}`);

/** The Dockerfile line that copies the mirrors and CA of the build's network. They are removed before the image is packed. */
export const COPY_NETWORK = "COPY dockerfiles/network/ /tmp/network/";
