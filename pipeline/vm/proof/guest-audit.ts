import { PipelineError } from "../../util/error.ts";
import { attempt, type login, runCommand } from "../ssh.ts";

type Client = Awaited<ReturnType<typeof login>>;

/** What a guest without a user's doing has running, beside the shell that is asked. */
const PROCESSES = new Set(["init", "sshd", "sshd-session", "sshd-auth"]);
const SSH_PORT = 22;
/** What images were once published with, and nothing at all. */
const PASSWORDS = ["smolvm", ""];

/** The tables of sockets; and every process that is not a thread of the kernel's (those have no command line). */
const SOCKETS =
  'for t in tcp tcp6 udp udp6; do while read -r line; do echo "$t $line"; done </proc/net/$t; done 2>/dev/null';
const RUNNING =
  'for d in /proc/[0-9]*; do first=; read -r first <$d/cmdline; [ -n "$first" ] || continue; ' +
  'read -r name <$d/comm; [ "${d#/proc/}" = $$ ] || echo "$name"; done 2>/dev/null; true';

/** What each finding of a booted guest's audit means, by its id. Ids are part of the interface (`docs/errors.md`). */
export const GUEST_FINDINGS = {
  "open-port": "Something other than SSH listens on the guest's network.",
  "extra-process": "A process runs that is not part of a guest without a user's doing.",
  "password-login": "Root can log in without a key.",
} as const satisfies Readonly<Record<string, string>>;

type GuestFindingId = keyof typeof GUEST_FINDINGS;

/** `a process "cron" runs [extra-process]`. */
const line = (id: GuestFindingId, what: string) => `${what} [${id}]`;

/**
 * Looks at a booted guest as an attacker on its network and as its owner: only SSH listens, no password opens
 * it, and nothing runs that was not put there. @throws PipelineError with all that is wrong
 */
export async function auditGuest(client: Client, port: number, signal: AbortSignal): Promise<void> {
  const said = async (script: string) =>
    (await runCommand(client, ["sh", "-c", script], signal)).output.split("\n").filter((line) => line);
  const findings = [
    ...listening(await said(SOCKETS))
      .filter((each) => each !== `tcp port ${SSH_PORT}`)
      .map((each) => line("open-port", `something listens on ${each}`)),
    ...(await said(RUNNING))
      .filter((name) => !PROCESSES.has(name))
      .map((name) => line("extra-process", `a process "${name}" runs`)),
    ...(await passwordsThatWork(port, signal)),
  ];
  if (findings.length === 0) return;
  const unique = [...new Set(findings)];
  throw new PipelineError(`the audit refuses the booted guest: ${unique.length} findings`, {
    code: "guest-audit-refused",
    details: unique.map((finding) => `- ${finding}`),
  });
}

/** `tcp port 22`, from lines of /proc/net: `tcp 0: 00000000:0016 00000000:0000 0A …` (0A: listening; udp always is). */
export function listening(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const [, protocol, port, state] =
      /^(tcp|udp)6? \d+: [0-9A-F]+:([0-9A-F]{4}) \S+ ([0-9A-F]{2}) /.exec(line) ?? [];
    if (!protocol || (protocol === "tcp" && state !== "0A")) return [];
    return [`${protocol} port ${Number.parseInt(port!, 16)}`];
  });
}

/** One connection tries them all, as far as the server lets it. */
async function passwordsThatWork(port: number, signal: AbortSignal): Promise<string[]> {
  const username = "root";
  const authHandler = [
    { type: "none" as const, username },
    ...PASSWORDS.map((password) => ({ type: "password" as const, username, password })),
  ];
  try {
    (await attempt({ port, authHandler }, signal)).end();
  } catch {
    signal.throwIfAborted();
    return [];
  }
  const passwords = PASSWORDS.map((each) => `"${each}"`).join(", ");
  return [
    line("password-login", `root is let in without a key, with no password or with one of: ${passwords}`),
  ];
}
