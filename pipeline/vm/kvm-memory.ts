import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";

/** `~/.smolvm/kvm.json`: that KVM did not run a guest, and since which boot of this machine. */
const KvmFailure = z.strictObject({ schema_version: z.literal(1), boot_id: z.string(), why: z.string() });

const path = () => join(homedir(), ".smolvm", "kvm.json");

/** Changes at each boot of this machine; undefined where the system has no such thing (and no KVM). */
function bootId(): string | undefined {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Why KVM did not run a guest since this machine booted; undefined where nobody has seen it fail. */
export function knownKvmFailure(): string | undefined {
  try {
    const { boot_id, why } = KvmFailure.parse(JSON.parse(readFileSync(path(), "utf8")));
    return boot_id === bootId() ? why : undefined;
  } catch {
    return undefined;
  }
}

/** Remembered until this machine boots anew. Where it cannot be written, KVM is tried again. */
export function rememberKvmFailure(why: string): void {
  const boot_id = bootId();
  if (!boot_id) return;
  try {
    mkdirSync(dirname(path()), { recursive: true });
    writeFileSync(
      path(),
      JSON.stringify({ schema_version: 1, boot_id, why } satisfies z.infer<typeof KvmFailure>),
    );
  } catch {
    // A read-only home: the next start finds out by itself.
  }
}

/** KVM has run a guest, which a user asked for in spite of an earlier failure. */
export function forgetKvmFailure(): void {
  if (knownKvmFailure()) rmSync(path(), { force: true });
}
