import { spawn } from "node:child_process";
import { keyOf, type Machine } from "../../client/machines/registry.ts";
import { errorCode, PipelineError } from "../../util/error.ts";
import { quote } from "../../vm/ssh.ts";

/** Runs a command, or a shell, in a machine, connected to this terminal. Returns its exit code. */
export async function connectTo({ name, host, port }: Machine, command: readonly string[]): Promise<number> {
  const options = {
    // The host key is not known, because the guest made it at its first boot. The connection stays on this host.
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
          ? new PipelineError("ssh is not installed", {
              ...{ code: "program-missing", fix: "install openssh-client", cause },
            })
          : cause,
      ),
    );
    child.once("close", (code) => resolve(code ?? 255));
  });
}
