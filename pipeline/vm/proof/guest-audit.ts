import { PipelineError } from "../../util/error.ts";
import { attempt, type login, runCommand } from "../ssh.ts";

type Client = Awaited<ReturnType<typeof login>>;

/**
 * The processes of a guest that has just booted: `/init` and what it starts (`sleep` and `date` keep the clock; a name is
 * cut after 15 characters). The audit's own shell is not counted.
 */
const PROCESSES = new Set([
  ...["init", "sshd", "sshd-session", "sshd-auth", "sleep", "date", "smolvm-guest-agent".slice(0, 15)],
]);
const SSH_PORT = 22;
/** The passwords that the audit tries: the one of older published images, and the empty one. */
const PASSWORDS = ["smolvm", ""];

/**
 * Scripts that print the guest's socket tables, and the names of all processes except kernel threads (those have no
 * command line).
 */
const SOCKETS =
  'for t in tcp tcp6 udp udp6; do while read -r line; do echo "$t $line"; done </proc/net/$t; done 2>/dev/null';
const RUNNING =
  'for d in /proc/[0-9]*; do first=; read -r first <$d/cmdline; [ -n "$first" ] || continue; ' +
  'read -r name <$d/comm; [ "${d#/proc/}" = $$ ] || echo "$name"; done 2>/dev/null; true';

/** What each finding of a booted guest's audit means, by its id. Ids are part of the interface (`docs/errors.md`). */
export const GUEST_FINDINGS = {
  "open-port": "Something other than SSH listens on the guest's network.",
  "extra-process": "A process runs that a guest should not have when it has just booted.",
  "password-login": "Root can log in without a key.",
} as const satisfies Readonly<Record<string, string>>;

type GuestFindingId = keyof typeof GUEST_FINDINGS;

/** `a process "cron" runs [extra-process]`. */
const line = (id: GuestFindingId, what: string) => `${what} [${id}]`;

/**
 * Checks a booted guest: only SSH may listen on its network, root must not be able to log in without a key, and only
 * the expected processes may run. @throws PipelineError with all findings
 */
export async function auditGuest(client: Client, port: number, signal: AbortSignal): Promise<void> {
  const outputOf = async (script: string) =>
    (await runCommand(client, ["sh", "-c", script], signal)).output.split("\n").filter((line) => line);
  const findings = [
    ...listening(await outputOf(SOCKETS))
      .filter((each) => each !== `tcp port ${SSH_PORT}`)
      .map((each) => line("open-port", `something listens on ${each}`)),
    ...(await outputOf(RUNNING))
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

/**
 * The ports that listen, such as `tcp port 22`, from lines of /proc/net: `tcp 0: 00000000:0016 00000000:0000 0A …`
 * (state 0A: listening; udp sockets always count).
 */
export function listening(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const [, protocol, port, state] =
      /^(tcp|udp)6? \d+: [0-9A-F]+:([0-9A-F]{4}) \S+ ([0-9A-F]{2}) /.exec(line) ?? [];
    if (!protocol || (protocol === "tcp" && state !== "0A")) return [];
    return [`${protocol} port ${Number.parseInt(port!, 16)}`];
  });
}

/** Tries to log in with each of PASSWORDS and with none, in one connection. Returns a finding if that works. */
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
    line("password-login", `root can log in without a key: with no password or with one of ${passwords}`),
  ];
}
