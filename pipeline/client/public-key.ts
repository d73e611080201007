import { homedir } from "node:os";
import { PipelineError } from "../util/error.ts";
import { readText } from "../util/read-text.ts";
import { reasonOf } from "../util/reason.ts";

/** A line of authorized_keys: its kind, its bytes, and a comment. */
const KEY = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-\S+|sk-\S+) [A-Za-z0-9+/]+=*( .*)?$/;

/** Text of that kind; anything else is taken for a path, which may have spaces. */
const LIKE_KEY = /^(ssh-|ecdsa-|sk-)\S+\s/;
/** No file with a public key is larger, bytes. */
const MOST = 64 << 10;

export interface PublicKey {
  readonly text: string;
  /** The file that it was read from, if it was. */
  readonly path: string | undefined;
}

/** A public key, given as text or as the path of a file. @throws PipelineError when it is none */
export async function readPublicKey(given: string): Promise<PublicKey> {
  const path = LIKE_KEY.test(given) ? undefined : given.replace(/^~(?=\/)/, homedir());
  const text = (path === undefined ? given : await read(path)).trim();
  if (KEY.test(text)) return { text, path };
  throw new PipelineError(
    `${path ?? "the key"} is no SSH public key: ssh-ed25519, ssh-rsa, ecdsa-sha2-* and sk-* are; give the file that ` +
      "ends in .pub",
  );
}

async function read(path: string): Promise<string> {
  try {
    return await readText(path, MOST);
  } catch (cause) {
    throw new PipelineError(
      `cannot read the key ${path || '""'}: ${reasonOf(cause)}; give the file that ends in .pub`,
      { code: "not-readable", cause },
    );
  }
}
