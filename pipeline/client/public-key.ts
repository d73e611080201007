import { homedir } from "node:os";
import { PipelineError } from "../util/error.ts";
import { readText } from "../util/read-text.ts";
import { reasonOf } from "../util/reason.ts";

/** A line of authorized_keys: key type, base64, comment. */
const KEY = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-\S+|sk-\S+) [A-Za-z0-9+/]+=*( .*)?$/;

/** Text that begins like a key. Anything else is a path, which may have spaces. */
const LIKE_KEY = /^(ssh-|ecdsa-|sk-)\S+\s/;
/** The largest file that is read, bytes. */
const MOST = 64 << 10;

export interface PublicKey {
  readonly text: string;
  /** The file that the key was read from; undefined if it was given as text. */
  readonly path: string | undefined;
}

/** Reads a public key. @param given the key's text, or the path of a file @throws PipelineError if it is not a public key */
export async function readPublicKey(given: string): Promise<PublicKey> {
  const path = LIKE_KEY.test(given) ? undefined : given.replace(/^~(?=\/)/, homedir());
  const text = (path === undefined ? given : await read(path)).trim();
  if (KEY.test(text)) return { text, path };
  throw new PipelineError(
    `${path ?? "the key"} is not an SSH public key (ssh-ed25519, ssh-rsa, ecdsa-sha2-*, sk-*)`,
    {
      fix: "give the file that ends in .pub",
    },
  );
}

async function read(path: string): Promise<string> {
  try {
    return await readText(path, MOST);
  } catch (cause) {
    throw new PipelineError(`cannot read the key ${path || '""'} (${reasonOf(cause)})`, {
      ...{ code: "not-readable", fix: "give the file that ends in .pub", cause },
    });
  }
}
