/** What each finding of the image's audit means, by its id. Ids are part of the interface (`docs/errors.md`). */
export const FINDINGS = {
  "host-key": "An SSH host key. Every machine must make its own at its first boot.",
  "machine-id": "A machine-id. Every machine must make its own.",
  "name-servers": "`/etc/resolv.conf` of the machine that built the image.",
  "ssh-key": "An SSH key in a home directory: `authorized_keys`, or a private or public key.",
  "account-file": "A shell history, a credential or a configuration from the account that built the image.",
  "build-cache": "A cache that the build has left in a home directory.",
  "temporary-file": "A temporary file of the build, in `/tmp`, `/run` or `/var/tmp`.",
  "network-ca": "A certificate authority of the network in which the image was built.",
  "log-or-cache": "A file below `/var/log`, or in a package manager's cache.",
  secret: "A file contains a credential, the address of a mirror or a CA of the build's environment.",
  "second-copy": "The preset adds a large program that the image already has.",
  "password-hash": "An account or a group has a password.",
  "no-password": "An account can be used without a password.",
  "unknown-owner": "A file belongs to a user or group that the image does not have.",
  "setuid-program":
    "A program is setuid or setgid, and is not one of the distribution's programs that may be.",
  "world-writable": "Every user can write a file, or a directory without the sticky bit.",
  "not-loadable": "A program or library is for another arch or libc than the image's.",
  "program-missing": "The preset's command is missing, or is a dangling symlink.",
  "not-executable": "The preset's command is not executable.",
  "interpreter-missing": "The interpreter of the preset's command is not in the image.",
  "debug-hook": "An appliance of release mode has the debug hook, or its `/init` is in debug mode.",
  unowned:
    "A file belongs to no package, is not part of the recipe, and no known script makes it. See `docs/inventory.md`.",
} as const satisfies Readonly<Record<string, string>>;

export type FindingId = keyof typeof FINDINGS;

/** Something that an image must not have: the path, and what is wrong with it. */
export interface Finding {
  readonly id: FindingId;
  readonly path: string;
  readonly what: string;
}

/** `etc/shadow holds a password hash of root [password-hash]`. */
export const findingLine = ({ id, path, what }: Finding): string => `${path} ${what} [${id}]`;
