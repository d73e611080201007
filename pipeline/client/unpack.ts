import { spawn } from "node:child_process";
import { ZSTD_WINDOW_LOG } from "../schema/defaults.ts";
import { noSpaceFor, type Sink } from "../util/download/download.ts";
import { SourceError } from "../util/download/source.ts";
import { errorCode, PipelineError } from "../util/error.ts";

/** A sink that unpacks a zstd stream to `path`. Blocks of zeros become holes. */
export function unpackTo(path: string): Sink {
  const child = spawn("zstd", ["-d", "-q", "-f", "--sparse", `--long=${ZSTD_WINDOW_LOG}`, "-o", path, "-"], {
    stdio: ["pipe", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString("utf8");
  });
  const done = new Promise<void>((resolve, reject) => {
    child.once("error", (error) => reject(errorCode(error) === "ENOENT" ? zstdMissing() : error));
    child.once("close", (code) => {
      if (code === 0) return resolve();
      if (/no space left/i.test(errors)) return reject(noSpaceFor(path));
      reject(new SourceError(`zstd cannot unpack the file (${errors.trim().split("\n").at(-1) ?? code})`));
    });
  });
  return { stream: child.stdin, done, path };
}

export const zstdMissing = () =>
  new PipelineError("zstd is not installed", {
    code: "program-missing",
    fix: "install it (on Debian and Ubuntu `sudo apt-get install zstd`)",
  });
