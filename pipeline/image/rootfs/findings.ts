/** What each finding of the image's audit means, by its id. Ids are part of the interface (`docs/errors.md`). */
export const FINDINGS = {
  "host-key": "An SSH host key. Every machine must make its own at its first boot.",
  "machine-id": "A machine-id. Every machine must make its own.",
  "name-servers": "`/etc/resolv.conf` of the machine that built the image.",
  "ssh-key": "A key of somebody's account: `authorized_keys`, or a private or public key.",
  "account-file": "A history, a credential or a configuration of the builder's account.",
  "build-cache": "A cache that the build has left in a home directory.",
  "temporary-file": "A temporary file of the build, in `/tmp`, `/run` or `/var/tmp`.",
  "network-ca": "A certificate authority of the network in which the image was built.",
  "log-or-cache": "A file below `/var/log`, or in a package manager's cache.",
  secret: "A credential, a mirror's address or a CA of the build's environment is inside a file.",
  "second-copy": "A preset brings a large program that the image has already.",
  "password-hash": "An account or a group has a password.",
  "no-password": "An account can be used without a password.",
  "unknown-owner": "A file belongs to a user or group that is no account of the image.",
  "setuid-program": "A program runs as its owner or group, and is not one of the distribution's that may.",
  "world-writable": "A file, or a directory without the sticky bit, can be written by everybody.",
  "not-loadable": "A program or library is for another arch or libc than the image's.",
  "program-missing": "What the preset's users type is missing, or a link to nothing.",
  "not-executable": "What the preset's users type is not executable.",
  "interpreter-missing": "What runs the preset's program is not in the image.",
} as const satisfies Readonly<Record<string, string>>;

export type FindingId = keyof typeof FINDINGS;

/** Something a finished image must not have: which path, and what is wrong with it. */
export interface Finding {
  readonly id: FindingId;
  readonly path: string;
  readonly what: string;
}

/** `etc/shadow holds a password hash of root [password-hash]`. */
export const findingLine = ({ id, path, what }: Finding): string => `${path} ${what} [${id}]`;
