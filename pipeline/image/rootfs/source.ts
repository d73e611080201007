import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { text } from "node:stream/consumers";
import type Docker from "dockerode";
import type { RootfsSource } from "../../schema/cells.ts";
import type { Arch } from "../../schema/names.ts";
import { SourceError } from "../../util/download/source.ts";
import { fetchVerified } from "../../util/download/verified-file.ts";
import { innermost, PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { follow, hasImage, onPath } from "../docker/engine.ts";
import { archOf, importImage } from "../docker/image-arch.ts";
import type { Network } from "../docker/network.ts";

export interface SourceOptions {
  readonly arch: Arch;
  readonly sourceDateEpoch: number;
  readonly network: Network;
  /** The directory for downloads. */
  readonly cache: string;
  readonly noCache: boolean;
}

/** The root file system that a base's recipe starts from, as a container image, and its source. */
export interface Imported {
  readonly image: string;
  /** The source, for facts and messages. */
  readonly source: string;
  readonly from: RootfsSource;
}

/** None of a base's sources can be reached from this machine. `details` has the reason for each. */
export class NoSourceReached extends PipelineError {
  override readonly name = "NoSourceReached";
}

/**
 * Makes a container image from the first of `sources` that can be reached.
 * @throws NoSourceReached if none can be reached
 * @throws PipelineError if a source can be reached, but is not what was expected
 */
export async function importRootfs(
  docker: Docker,
  sources: readonly RootfsSource[],
  options: SourceOptions,
  run: Run,
): Promise<Imported> {
  const failures: string[] = [];
  for (const source of sources) {
    try {
      return { ...(await importOne(docker, source, options, run)), from: source };
    } catch (error) {
      run.signal.throwIfAborted();
      if (!(error instanceof Unreachable)) throw error;
      failures.push(error.message);
      if (source !== sources.at(-1)) run.progress.warn(`${error.message}; trying the next source`);
    }
  }
  throw new NoSourceReached("no source of the base file system can be reached", {
    code: "not-fetched",
    fix: "give a root file system tarball with --rootfs PATH|URL",
    details: failures.map((failure) => `- ${failure}`),
  });
}

/** A source cannot be reached from this machine. The next source is tried. */
class Unreachable extends Error {}

type Made = Omit<Imported, "from">;

function importOne(docker: Docker, source: RootfsSource, options: SourceOptions, run: Run): Promise<Made> {
  switch (source.from) {
    case "image":
      return pull(docker, source.image, options, run);
    case "tarball":
      return importTarball(docker, source, options, run);
    case "mmdebstrap":
      return bootstrap(docker, source.suite, options, run);
  }
}

/**
 * The Engine keeps one image of a name, although the name stands for one of each arch. So what is pulled also gets a name of
 * its own, by arch.
 */
async function pull(docker: Docker, image: string, options: SourceOptions, run: Run): Promise<Made> {
  const { arch } = options;
  const own = { repo: "smolvm/pulled", tag: `${hashOf(image).slice(0, 12)}-${arch}` };
  for (const name of [image, `${own.repo}:${own.tag}`]) {
    if ((await archOf(docker, name)) === arch) return { image: name, source: image };
  }
  run.progress.step(`pull ${image}`);
  try {
    const stream = await docker.pull(image, { platform: `linux/${options.arch}`, abortSignal: run.signal });
    await follow(docker, stream);
  } catch (cause) {
    throw new Unreachable(`cannot pull ${shortened(image)}: ${reason(cause)}`, {
      cause,
    });
  }
  const pulled = await archOf(docker, image);
  if (pulled !== arch) {
    throw new Unreachable(`cannot pull ${shortened(image)}: Docker pulled it for ${pulled}, not for ${arch}`);
  }
  await docker.getImage(image).tag(own);
  return { image: `${own.repo}:${own.tag}`, source: image };
}

async function importTarball(
  docker: Docker,
  { url, sha256 }: { url: string; sha256: string },
  options: SourceOptions,
  run: Run,
): Promise<Made> {
  const image = `smolvm/rootfs:${sha256.slice(0, 12)}`;
  const source = `${url} (sha256:${sha256})`;
  if ((await archOf(docker, image)) === options.arch) return { image, source };
  run.progress.step(`fetch ${url}`);
  let file: string;
  try {
    file = await fetchVerified(url, sha256, options.cache, run);
  } catch (cause) {
    if (!(cause instanceof SourceError)) throw cause;
    throw new Unreachable(`cannot fetch ${url}: ${cause.problem}`, { cause });
  }
  await importImage(docker, createReadStream(file), image, options.arch);
  return { image, source };
}

/**
 * Sets the image's apt sources to the examples of the apt package (13 and newer: deb822), so that no mirror's address is
 * in it.
 */
const OWN_SOURCES = `examples=$1/usr/share/doc/apt/examples; rm -f "$1/etc/apt/sources.list"; \
if [ -e "$examples/debian.sources" ]; then cp "$examples/debian.sources" "$1/etc/apt/sources.list.d/"; \
else cp "$examples/sources.list" "$1/etc/apt/sources.list"; fi`;

/** Runs mmdebstrap. Without a mirror it uses Debian's archive. It checks signatures with the host's keyring. */
async function bootstrap(docker: Docker, suite: string, options: SourceOptions, run: Run): Promise<Made> {
  const image = `smolvm/mmdebstrap:${suite}-${options.arch}-${options.sourceDateEpoch}`;
  const source = `mmdebstrap ${suite}`;
  if (!options.noCache && (await archOf(docker, image)) === options.arch) return { image, source };
  if (!onPath("mmdebstrap")) {
    throw new Unreachable(
      "mmdebstrap is not installed: install it with `sudo apt-get install mmdebstrap debian-archive-keyring`",
    );
  }
  run.progress.step(`mmdebstrap ${suite} (${options.arch})`);
  const mirror = options.network.aptMirror;
  const environment = { SOURCE_DATE_EPOCH: String(options.sourceDateEpoch), LC_ALL: "C.UTF-8" };
  const command = [
    // mmdebstrap makes device nodes and changes owners, so it needs root. sudo clears the environment, so `env` sets it.
    ...(process.getuid?.() === 0 ? [] : ["sudo", "-n"]),
    ...["env", ...Object.entries(environment).map(([name, value]) => `${name}=${value}`)],
    "mmdebstrap",
    "--variant=minbase",
    `--architectures=${options.arch}`,
    "--format=tar",
    `--customize-hook=${OWN_SOURCES}`,
    ...[suite, "-"],
    ...(mirror ? [mirror] : []),
  ];
  const child = spawn(command[0]!, command.slice(1), {
    signal: run.signal,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<number | null>((resolve) =>
    child.once("error", () => resolve(null)).once("close", resolve),
  );
  const importing = importImage(docker, child.stdout, image, options.arch);
  // Without a reader, mmdebstrap would wait forever to write its tar.
  importing.catch(() => child.stdout.destroy());
  // If mmdebstrap failed, its error is more precise than Docker's, but it is known later.
  const [exitCode, log] = await Promise.all([exited, text(child.stderr), importing.catch(() => {})]);
  run.signal.throwIfAborted();
  if (exitCode !== 0) {
    // If Docker failed first, that also ended mmdebstrap, and Docker's error is the reason.
    if (!child.stdout.readableEnded) await importing;
    if (await hasImage(docker, image)) await docker.getImage(image).remove({ force: true });
    throw new Unreachable(`mmdebstrap ${suite} failed: ${lastLine(log)}`);
  }
  await importing;
  return { image, source };
}

/** An image's name with the first digits of its digest. */
const shortened = (image: string) => image.replace(/(@sha256:.{12}).+/, "$1…");

const hashOf = (image: string) => createHash("sha256").update(image).digest("hex");

/** The innermost message of a chain of causes, and the last part of Docker's `a: b: c`. */
function reason(error: unknown): string {
  return String(innermost(error as Error).message)
    .trim()
    .split(": ")
    .at(-1)!;
}

const lastLine = (log: string) =>
  log
    .split("\n")
    .filter((line) => line.startsWith("E:"))
    .slice(0, 2)
    .join(" ") || log.trim().split("\n").at(-1);
