import { readFileSync } from "node:fs";
import { errorCode } from "./error.ts";

/** Whether a process with this pid exists, no matter which user runs it. */
export function isAlive(pid: number): boolean {
  // kill(2) takes 0 and negative numbers as process groups.
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

/**
 * Identifies a process as `<pid> <start time>`, because the system reuses pids. The start time is `-` on systems
 * without /proc.
 */
export const identityOf = (pid: number): string => `${pid} ${statOf(pid)?.[STARTTIME] ?? "-"}`;

/** The pid in an identity. */
export const pidOf = (identity: string): number => Number(identity.split(" ")[0]);

/** Whether the process with this identity still runs. A zombie (ended, but not yet reaped by its parent) does not. */
export function isRunning(identity: string): boolean {
  const pid = pidOf(identity);
  return isAlive(pid) && identityOf(pid) === identity && statOf(pid)?.[STATE] !== "Z";
}

/** Positions of fields in /proc/PID/stat, counted from the field after the name in parentheses (see proc(5)). */
const STATE = 0;
const STARTTIME = 19;

/** The fields of /proc/PID/stat after the name; undefined when there is no such process, or no /proc. */
function statOf(pid: number): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
  } catch {
    return undefined;
  }
}
