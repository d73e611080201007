import { readFileSync } from "node:fs";
import { errorCode } from "./error.ts";

/** Whether a process of this number runs, also one of another user. */
export function isAlive(pid: number): boolean {
  // 0 and negative numbers name groups of processes.
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

/** A process by its number and when it began, where the system tells: numbers are used again. */
export const identityOf = (pid: number): string => `${pid} ${statOf(pid)?.[STARTTIME] ?? "-"}`;

/** The number in an identity. */
export const pidOf = (identity: string): number => Number(identity.split(" ")[0]);

/** Whether the process of this identity still runs: one that has ended may still be listed, until its parent looks. */
export function isRunning(identity: string): boolean {
  const pid = pidOf(identity);
  return isAlive(pid) && identityOf(pid) === identity && statOf(pid)?.[STATE] !== "Z";
}

/** Where proc(5) has them, counted from after the name in parentheses. */
const STATE = 0;
const STARTTIME = 19;

/** What Linux says of a process; undefined where it says nothing. */
function statOf(pid: number): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
  } catch {
    return undefined;
  }
}
