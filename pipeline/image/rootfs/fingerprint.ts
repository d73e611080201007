import { createHash } from "node:crypto";
import type { Rootfs } from "./normalise.ts";

/** The properties of one path, as text. Two paths with equal properties are equal in an image. */
type Fingerprint = Readonly<Record<string, string>>;

/** The properties of every path of a root file system, in its order. */
export type Fingerprints = ReadonlyMap<string, Fingerprint>;

export async function fingerprints(rootfs: Rootfs): Promise<Fingerprints> {
  const result = new Map<string, Fingerprint>();
  for (const entry of rootfs.entries) {
    const { path, type, mode, uid, gid, mtime, target, device, capability } = entry;
    const hash = createHash("sha256");
    for await (const chunk of rootfs.chunks(entry)) hash.update(chunk);
    result.set(path, {
      type,
      mode: mode.toString(8),
      owner: `${uid}:${gid}`,
      time: new Date(mtime * 1000).toISOString(),
      target: target ?? "",
      device: device ? `${device.major}:${device.minor}` : "",
      capability: capability ?? "",
      content: entry.content ? hash.digest("hex").slice(0, 16) : "",
    });
  }
  return result;
}

/**
 * The differences between two root file systems, one line per path. The order of paths is compared only if nothing else
 * differs.
 */
export function differences(first: Fingerprints, second: Fingerprints): string[] {
  const found: string[] = [];
  for (const path of [...new Set([...first.keys(), ...second.keys()])].sort()) {
    const [a, b] = [first.get(path), second.get(path)];
    if (!a || !b) {
      found.push(`${path} is only in the ${a ? "first" : "second"}`);
      continue;
    }
    const fields = Object.keys(a).filter((field) => a[field] !== b[field]);
    if (fields.length > 0) {
      found.push(
        `${path}: ${fields.map((field) => `${field} ${a[field]} in the first, ${b[field]} in the second`).join(", ")}`,
      );
    }
  }
  if (found.length > 0) return found;
  const other = [...second.keys()];
  const moved = [...first.keys()].findIndex((path, index) => path !== other[index]);
  return moved < 0 ? [] : [`the order of paths differs, beginning at ${[...first.keys()][moved]}`];
}
