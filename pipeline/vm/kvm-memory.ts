import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";

/** `~/.smolvm/kvm.json`: why KVM did not run a guest, and the boot id of the host at that time. */
const KvmFailure = z.strictObject({ schema_version: z.literal(1), boot_id: z.string(), why: z.string() });

const path = () => join(homedir(), ".smolvm", "kvm.json");

/** An id that changes when the host reboots; undefined on systems other than Linux, which have no KVM either. */
function bootId(): string | undefined {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Why KVM failed to run a guest since the host last booted; undefined if no failure is recorded. */
export function knownKvmFailure(): string | undefined {
  try {
    const { boot_id, why } = KvmFailure.parse(JSON.parse(readFileSync(path(), "utf8")));
    return boot_id === bootId() ? why : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Records a failure of KVM, which is valid until the host reboots. If the record cannot be written, KVM is tried again
 * next time.
 */
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
    // For example a read-only home directory. The next start tries KVM again.
  }
}

/** Removes the record, because KVM has run a guest. (The user required KVM in spite of the recorded failure.) */
export function forgetKvmFailure(): void {
  try {
    rmSync(path(), { force: true });
  } catch {
    // For example a read-only home directory. Until the host reboots, the user has to require KVM again.
  }
}
