import { createHash } from "node:crypto";
import type { Rootfs } from "./normalise.ts";

/** What is said of a path: equal for two paths that end up the same in an image. */
type Fingerprint = Readonly<Record<string, string>>;

/** Of every path of a root file system, in its order. */
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

/** What differs between two root file systems, path by path; their order only where nothing else does. */
export function differences(first: Fingerprints, second: Fingerprints): string[] {
  const found: string[] = [];
  for (const path of [...new Set([...first.keys(), ...second.keys()])].sort()) {
    const [a, b] = [first.get(path), second.get(path)];
    if (!a || !b) {
      found.push(`${path} is in the ${a ? "first" : "second"} alone`);
      continue;
    }
    const fields = Object.keys(a).filter((field) => a[field] !== b[field]);
    if (fields.length > 0) {
      found.push(`${path}: ${fields.map((field) => `${field} ${a[field]} and then ${b[field]}`).join(", ")}`);
    }
  }
  if (found.length > 0) return found;
  const other = [...second.keys()];
  const moved = [...first.keys()].findIndex((path, index) => path !== other[index]);
  return moved < 0 ? [] : [`the order differs from ${[...first.keys()][moved]} on`];
}
