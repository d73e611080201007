import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorCode } from "../../util/error.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";
import { ask } from "./http.ts";
import type { ListFiles } from "./published-files.ts";
import { sumsIn } from "./sums.ts";

/** `SHA256SUMS` of a directory on cdimage.ubuntu.com, and its signature `SHA256SUMS.gpg`. */
export const ubuntuList: ListFiles = async (upstream, directory) => {
  const url = `${directory}/SHA256SUMS`;
  const [{ bytes: text }, { bytes: signature }] = await Promise.all([
    ask(upstream, url),
    ask(upstream, `${url}.gpg`),
  ]);
  const sums = sumsIn(text.toString("utf8"));
  if (sums.size === 0) throw new Unknown(url, "it has no checksums");
  return { sums, note: await verified(upstream, url, text, signature) };
};

/** @returns why the signature was not checked; undefined if it is good @throws Unknown if it is not */
function verified(
  upstream: Upstream,
  url: string,
  text: Buffer,
  signature: Buffer,
): Promise<string | undefined> {
  const keyring = upstream.ubuntuKeyring;
  if (!existsSync(keyring)) {
    return Promise.resolve("signature not checked: the package ubuntu-keyring is not installed");
  }
  const directory = mkdtempSync(join(tmpdir(), "smolvm-sums-"));
  const [sums, detached] = [join(directory, "SHA256SUMS"), join(directory, "SHA256SUMS.gpg")];
  writeFileSync(sums, text);
  writeFileSync(detached, signature);
  return new Promise<string | undefined>((resolve, reject) => {
    const { signal } = upstream.run;
    execFile("gpgv", ["--keyring", keyring, detached, sums], { signal }, (error, _, stderr) => {
      if (error === null) return resolve(undefined);
      if (signal.aborted) return reject(signal.reason);
      if (errorCode(error) === "ENOENT") return resolve("signature not checked: gpgv is not on PATH");
      reject(new Unknown(url, `its signature is not valid (${stderr.trim().split("\n").at(-1)})`, error));
    });
  }).finally(() => rmSync(directory, { recursive: true, force: true }));
}
