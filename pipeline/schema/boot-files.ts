/** What every image boots with: the project's file, where it lies in the image, and its mode. */
export const BOOT_FILES = [
  { from: "init/init", to: "/init", mode: 0o755 },
  { from: "init/sshd_config", to: "/etc/smolvm/sshd_config", mode: 0o644 },
] as const;

/** The lines of a Dockerfile that bring them into an image. */
export const COPY_BOOT_FILES: readonly string[] = BOOT_FILES.map(({ from, to }) => `COPY ${from} ${to}`);

/** The mirrors and CA of the network in which a build runs, for as long as it runs; nothing of them stays in an image. */
export const COPY_NETWORK = "COPY dockerfiles/network/ /tmp/network/";
