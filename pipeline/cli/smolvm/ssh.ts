import { spawn } from "node:child_process";
import { keyOf, type Machine } from "../../client/machines/registry.ts";
import { errorCode, PipelineError } from "../../util/error.ts";
import { quote } from "../../vm/ssh.ts";

/** Runs a command in a machine, or a shell, with this terminal as its own. Returns its exit code. */
export async function connectTo({ name, host, port }: Machine, command: readonly string[]): Promise<number> {
  const options = {
    // Its host key was made at its first boot, and it is on this machine.
    StrictHostKeyChecking: "no",
    UserKnownHostsFile: "/dev/null",
    IdentitiesOnly: "yes",
    LogLevel: "ERROR",
  };
  const args = [
    ...Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`]),
    ...["-i", keyOf(name), "-p", String(port)],
    ...(process.stdin.isTTY && process.stdout.isTTY ? ["-t"] : []),
    `root@${host}`,
    ...(command.length > 0 ? ["--", command.map(quote).join(" ")] : []),
  ];
  const child = spawn("ssh", args, { stdio: "inherit" });
  return await new Promise((resolve, reject) => {
    child.once("error", (cause) =>
      reject(
        errorCode(cause) === "ENOENT"
          ? new PipelineError("ssh is missing", {
              ...{ code: "program-missing", fix: "install openssh-client", cause },
            })
          : cause,
      ),
    );
    child.once("close", (code) => resolve(code ?? 255));
  });
}
