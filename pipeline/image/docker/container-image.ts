import { createReadStream, createWriteStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { extract, pack } from "tar-stream";
import { BOOT_FILES } from "../../schema/boot-files.ts";
import type { Arch } from "../../schema/names.ts";
import { locate } from "../../schema/recipes.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { follow, OWNER_LABEL, removeContainer } from "./engine.ts";
import type { Network } from "./network.ts";

export interface BuildOptions {
  /** The project's root. Paths are relative to it; a recipe that the project does not have comes from this package. */
  readonly root: string;
  readonly dockerfile: string;
  readonly files: readonly string[];
  /** A directory of files (no links) that goes into the context as a whole. @default none */
  readonly tree?: { readonly from: string; readonly to: string };
  /** Executable files that go into the context, each from a path outside of the project. @default none */
  readonly programs?: readonly { readonly from: string; readonly to: string }[];
  readonly arch: Arch;
  /** The image's name and tag. */
  readonly tag: string;
  readonly args: Readonly<Record<string, string>>;
  readonly network: Network;
  /** Rebuild every step and ignore Docker's build cache. */
  readonly noCache: boolean;
  /** Called with each line that the build prints. @default none */
  readonly onLine?: (line: string) => void;
}

/** How many of the build's last lines a failure shows. */
const SHOWN_LINES = 20;

/**
 * `docker build`: makes the image `options.tag`.
 * @throws PipelineError with the lines `error: …` that the recipe printed, or else with the build's last lines
 */
export async function buildImage(docker: Docker, options: BuildOptions, run: Run): Promise<void> {
  const context = pack();
  let contextError: unknown;
  const sending = sendContext(context, options).catch((error: Error) => {
    contextError = error;
    // Otherwise Docker waits forever for the rest of the context.
    context.destroy(error);
  });
  const lines: string[] = [];
  let unfinished = "";
  try {
    const stream = await docker.buildImage(context as unknown as NodeJS.ReadableStream, {
      t: options.tag,
      dockerfile: options.dockerfile,
      platform: `linux/${options.arch}`,
      buildargs: { ...options.network.buildArgs, ...options.args },
      networkmode: options.network.mode,
      nocache: options.noCache,
      rm: true,
      forcerm: true,
      abortSignal: run.signal,
    });
    await sending;
    await follow(docker, stream, (event) => {
      // The Engine may split the output in the middle of a line.
      const complete = (unfinished + (event.stream ?? "")).split("\n");
      unfinished = complete.pop()!;
      for (const line of complete) {
        if (line.trim()) lines.push(line);
        options.onLine?.(line);
      }
    });
  } catch (cause) {
    run.signal.throwIfAborted();
    if (contextError) throw contextError;
    throw explain(options, unfinished.trim() ? [...lines, unfinished] : lines, cause as Error);
  }
}

function explain({ dockerfile }: BuildOptions, lines: readonly string[], cause: Error): PipelineError {
  const reasons = lines.flatMap((line) => /^error: (.+)$/.exec(line)?.[1] ?? []);
  const code = "docker-build-failed";
  if (reasons.length === 1) return new PipelineError(reasons[0]!, { code, cause });
  if (reasons.length > 1) {
    return new PipelineError(`docker build of ${dockerfile} failed for ${reasons.length} reasons`, {
      code,
      details: reasons.map((reason) => `- ${reason}`),
      cause,
    });
  }
  return new PipelineError(`docker build of ${dockerfile} failed: ${cause.message.trim()}`, {
    code,
    details: lines.slice(-SHOWN_LINES).map((line) => `  ${line.trimEnd()}`),
    cause,
  });
}

/** Sends the build's files with fixed owner, mode and time, so that Docker's build cache depends on their content alone. */
async function sendContext(context: ReturnType<typeof pack>, options: BuildOptions): Promise<void> {
  const add = (name: string, content: Buffer | string) =>
    context.entry({ name, mode: modeOf(name), mtime: new Date(0) }, content as string);
  for (const file of [options.dockerfile, ...options.files]) {
    if (!Object.hasOwn(options.network.files, file)) add(file, await readFile(locate(options.root, file)));
  }
  for (const [file, content] of Object.entries(options.network.files)) add(file, content);
  for (const file of options.tree ? await filesBelow(options.tree.from) : []) {
    await addLarge(context, join(options.tree!.from, file), `${options.tree!.to}/${file}`);
  }
  for (const { from, to } of options.programs ?? []) await addLarge(context, from, to, 0o755);
  context.finalize();
}

/** The paths of the regular files below a directory, sorted. */
async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .sort();
}

async function addLarge(
  context: ReturnType<typeof pack>,
  path: string,
  name: string,
  fixedMode?: number,
): Promise<void> {
  const { size, mode: own } = await stat(path);
  const mode = fixedMode ?? (own & 0o100 ? 0o755 : 0o644);
  const entry = context.entry({ name, size, mode, mtime: new Date(0) });
  await pipeline(createReadStream(path), entry as unknown as Writable);
}

const modeOf = (name: string) => BOOT_FILES.find(({ from }) => from === name)?.mode ?? 0o644;

/** Exports the file system of a container image as a tar stream. The temporary container is removed when the stream closes. */
export async function exportImage(docker: Docker, image: string, run: Run): Promise<Readable> {
  const container = await docker.createContainer({
    Image: image,
    Cmd: ["/init"],
    NetworkDisabled: true,
    Labels: { [OWNER_LABEL]: String(process.pid) },
  });
  try {
    const output = new PassThrough();
    const stream = (await container.export({ abortSignal: run.signal })) as Readable;
    stream.on("error", (error) => output.destroy(error));
    const remove = () => void removeContainer(docker, container.id).catch(() => {});
    output.once("close", remove);
    return stream.pipe(output);
  } catch (error) {
    await removeContainer(docker, container.id);
    throw error;
  }
}

/** Whether a container image has a file at `path`. */
export async function hasFile(docker: Docker, image: string, path: string): Promise<boolean> {
  const container = await docker.createContainer({
    Image: image,
    Cmd: ["true"],
    Labels: { [OWNER_LABEL]: String(process.pid) },
  });
  try {
    // Unless the response is destroyed, the connection stays open.
    ((await container.infoArchive({ path })) as Readable).destroy();
    return true;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return false;
    throw error;
  } finally {
    await removeContainer(docker, container.id);
  }
}

/** Copies the files in one directory of a container image to `target`. The directory must have no subdirectories. */
export async function copyOut(docker: Docker, image: string, path: string, target: string): Promise<void> {
  const container = await docker.createContainer({
    Image: image,
    Cmd: ["true"],
    Labels: { [OWNER_LABEL]: String(process.pid) },
  });
  try {
    const tar = (await container.getArchive({ path })) as Readable;
    const reader = tar.pipe(extract() as unknown as NodeJS.WritableStream) as unknown as ReturnType<
      typeof extract
    >;
    for await (const entry of reader) {
      const name = entry.header.name.split("/").at(-1)!;
      if (entry.header.type === "file") await pipeline(entry, createWriteStream(join(target, name)));
      else entry.resume();
    }
  } finally {
    await removeContainer(docker, container.id);
  }
}
