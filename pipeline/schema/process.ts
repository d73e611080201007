import { readFileSync } from "node:fs";
import { errorCode } from "./error.ts";

/** Whether a process of this number runs, also one of another user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

/** A process by its number and when it began, where the system tells: numbers are used again. */
export function identityOf(pid: number): string {
  try {
    // After the name in parentheses, the 20th field (proc(5): starttime).
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
    return `${pid} ${fields[19]}`;
  } catch {
    return `${pid} -`;
  }
}

/** The number in an identity. */
export const pidOf = (identity: string): number => Number(identity.split(" ")[0]);

/** Whether the process of this identity still runs. */
export const isRunning = (identity: string): boolean =>
  isAlive(pidOf(identity)) && identityOf(pidOf(identity)) === identity;
