import type { Finding } from "../../../image/rootfs/findings.ts";
import type { Rootfs } from "../../../image/rootfs/normalise.ts";
import type { Entry } from "../../../image/rootfs/tar-index.ts";
import type { InitramfsCell } from "../../../schema/cells.ts";
import { INITRAMFS_FILES } from "../../../schema/initramfs/files.ts";

/** The device nodes that PID 1 needs before it has mounted devtmpfs. Docker's export has none of the container's. */
const DEVICES: readonly Entry[] = [
  { path: "dev/console", mode: 0o600, device: { major: 5, minor: 1 } },
  { path: "dev/null", mode: 0o666, device: { major: 1, minor: 3 } },
].map((each) => ({ ...each, type: "character-device", uid: 0, gid: 0, mtime: 0 }));

/** The content of an initramfs: what the container image has, without the kernel, and with the first device nodes. */
export function bootable(rootfs: Rootfs): Rootfs {
  const entries = rootfs.entries.flatMap((entry) => {
    if (entry.path.startsWith("boot/")) return [];
    return entry.path === "dev" ? [entry, ...DEVICES] : [entry];
  });
  return { ...rootfs, entries };
}

const CONFIG = "etc/initramfs/config";

/** What an image of release mode has and must not have: the debug hook, and an `/init` that is in debug mode. */
export async function debugFindings(rootfs: Rootfs, { mode }: InitramfsCell): Promise<Finding[]> {
  if (mode !== "release") return [];
  const hooks: readonly string[] = INITRAMFS_FILES.filter(({ debug }) => debug).map(({ to }) => to.slice(1));
  const findings = rootfs.entries
    .filter(({ path }) => hooks.includes(path))
    .map(({ path }): Finding => ({ id: "debug-hook", path, what: "is for debug mode only" }));
  const config = await rootfs.read(CONFIG);
  if (!/^MODE=release$/m.test(config ?? "")) {
    findings.push({ id: "debug-hook", path: CONFIG, what: "does not say MODE=release" });
  }
  return findings;
}
