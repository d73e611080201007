let taken: string | undefined;

/**
 * Takes GITHUB_TOKEN out of the environment, so that no process that is started later (QEMU, zstd, ssh, npm) has it.
 * Called before any other work.
 */
export function takeToken(): void {
  const { GITHUB_TOKEN: token } = process.env;
  if (token === undefined) return;
  taken = token || undefined;
  delete process.env.GITHUB_TOKEN;
}

/** The token; undefined if there is none. */
export function githubToken(): string | undefined {
  takeToken();
  return taken;
}

/** A text without the token. */
export const redact = (text: string): string => (taken ? text.replaceAll(taken, "***") : text);
