/**
 * The meaning of each error code. Codes are part of the interface: programs compare them, `docs/errors.md` explains them,
 * and they are never renamed. Messages may change at any time.
 */
export const ERROR_CODES = {
  "invalid-input":
    "A flag, a variable, a file or a declaration holds something that cannot be used; the message says what is expected.",
  "unknown-name":
    "There is no cell, preset, flavor or machine of that name; the message lists the names that exist.",
  interrupted:
    "Ctrl-C, `kill` or a closed terminal ended the command. Nothing is half-written; run it again.",
  // This machine.
  "disk-full": "A disk has no space left, or not enough for what is about to be written.",
  "not-readable": "A file or directory cannot be read.",
  "not-writable": "A file or directory cannot be created or written to.",
  "not-ours":
    "A file in the place of one of ours was not made by this project. It is never changed or removed.",
  "program-missing": "A program that is needed is not on PATH.",
  "kvm-unavailable": "KVM was asked for, or is needed, and cannot run the guest on this machine.",
  // Docker.
  "docker-missing": "Docker Engine is not installed.",
  "docker-not-running": "Docker Engine is installed and does not run.",
  "docker-denied": "This user may not use Docker.",
  "docker-unreachable": "Docker does not answer at the address that DOCKER_HOST names.",
  "docker-build-failed": "A step of `docker build` failed; its last lines are shown.",
  // Downloads.
  "not-fetched": "No source has the file, or none of them answers.",
  "digest-mismatch": "The bytes have another sha256 than was declared. They are not used.",
  "not-attested":
    "A file has no attestation, or one that does not say that the expected workflow made it. It is not used.",
  // Pins.
  "upstream-unknown":
    "The source of a pin gives no answer that can be used, so what is newest there is not known.",
  "pin-not-found":
    "A pinned value is not in the declaration in the form in which it is looked for. Nothing was changed.",
  "pin-changed": "A source has other bytes than were pinned, under the same version.",
  "dirty-tree":
    "The checkout has changes that are not committed, stale generated files, or another commit than the branch.",
  // Cells.
  "stale-cells": "`out/cells.json` is missing, or was written by another version of this project.",
  "wrong-arch":
    "This machine's Docker does not run programs of the cell's arch, or images cannot be built on its own.",
  "not-built": "An earlier stage of the cell has not run.",
  "not-staged": "The staging directory has no asset of the cell, or an incomplete one.",
  "stale-inputs": "The staged asset was made from other inputs than those of the tree.",
  "not-as-declared":
    "The cell was built from something other than what is declared, such as a live package archive.",
  "audit-refused": "The audit found something in a root file system that no image may have.",
  "guest-audit-refused": "The audit found something in a booted guest that no image may have.",
  "over-budget": "An image is larger than its budget.",
  // Booting.
  "boot-failed":
    "The guest did not boot, or ended before it could be used; the console's last lines are shown.",
  "boot-timeout": "The guest was not ready in time; the console's last lines are shown.",
  "login-failed": "The guest refuses the key that it was started with.",
  "check-failed": "The preset's own check failed in the booted image.",
  "power-off-failed": "The guest did not power off in time.",
  // Releases.
  "not-offered": "The manifest, or the release, has nothing of that name.",
  "release-published": "The release is public. A published release is never changed.",
  "asset-conflict": "The release has other bytes under the name of an asset. They are never replaced.",
  "tag-conflict": "The tag of the release exists, and is on another commit than the one that is built.",
  "other-repository":
    "The workflow runs in another repository than images.ts declares, or on another GitHub.",
  "several-drafts": "There is more than one draft for the tag, and a person must decide.",
  // GitHub.
  "github-token": "There is no token for GitHub, or it is not valid.",
  "github-denied": "The token lacks a permission that the request needs.",
  "github-not-found": "The repository or release does not exist on GitHub, or the token may not see it.",
  "github-limited": "GitHub's rate limit is reached.",
  "github-unavailable": "GitHub reports an error on its side, or the connection broke.",
  "github-unreachable": "GitHub did not answer.",
  "github-refused": "GitHub rejects the request; sending it again does not help.",
} as const satisfies Readonly<Record<string, string>>;

/** The code of an error. Codes keep their meaning: `docs/errors.md` lists them. */
export type ErrorCode = keyof typeof ERROR_CODES;
