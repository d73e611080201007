import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { dirname, join } from "node:path";
import type { ApplianceProgram } from "../../pipeline/constructs/initramfs/program.ts";
import { serveDirectory } from "./serve.ts";

/** zinit itself comes from GitHub, which tests do not reach. This takes its place. */
const ZINIT = readFileSync(join(import.meta.dirname, "zinit"));
const RELEASED_AT = "example/zinit/releases/download/v1/zinit";

/** Serves `directory` on loopback, with the stand-in of zinit as a file of a release. */
export async function serveZinit(
  directory: string,
): Promise<{ server: Server; url: string; program: ApplianceProgram }> {
  const path = join(directory, RELEASED_AT);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, ZINIT);
  const served = await serveDirectory(directory, /^\//);
  const sha256 = createHash("sha256").update(ZINIT).digest("hex");
  const files = { amd64: { url: `${served.url}/${RELEASED_AT}`, sha256 } };
  return { ...served, program: { path: "/sbin/zinit", files } };
}
