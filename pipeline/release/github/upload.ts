import { createReadStream } from "node:fs";
import { Readable, Transform } from "node:stream";
import { PipelineError } from "../../schema/error.ts";
import { checkOutgoing, EMPTY, isPublished, otherBytes } from "../outgoing.ts";
import type { Outgoing, Sent, StoredAsset, StoredRelease } from "../store.ts";
import type { GitHubClient } from "./client.ts";
import { GitHubError } from "./failure.ts";
import { type GitHubReleases, storedAsset } from "./releases.ts";

/**
 * Brings a file onto a release, in whatever state earlier tries have left it: what is there with the same bytes is
 * kept, what an upload that died has left is removed, other bytes are an error. One file at a time, streamed.
 */
export async function upload(
  github: GitHubClient,
  releases: GitHubReleases,
  release: StoredRelease,
  file: Outgoing,
): Promise<Sent> {
  /** Whether a try of ours may have come through, of which we have no answer. */
  let ours = false;
  for (let attempt = 1; ; attempt++) {
    const { state, uploadUrl } = await releases.open(release.id);
    const present = await releases.assets(release);
    checkOutgoing(file, present);
    const there = present.find(({ name }) => name === file.name);
    if (there?.complete) {
      const digest = await releases.digest(there);
      if (digest === file.sha256) return attempt === 1 ? "there" : "sent";
      if (!ours || state === "published") {
        throw otherBytes(file.name, releases.name, digest, file.sha256, EMPTY);
      }
    }
    if (state === "published") throw isPublished(release.tag, releases.name);
    if (there) await releases.discard(release, there);
    try {
      await post(github, releases, release, uploadUrl, file);
      return "sent";
    } catch (error) {
      github.run.signal.throwIfAborted();
      const exists = error instanceof GitHubError && error.codes.includes("already_exists");
      if (!exists && mayHaveArrived(error)) ours = true;
      // A list that is stale shows it later.
      const failure = exists
        ? new GitHubError(`${file.name} is said to exist and is not listed`, {
            transient: true,
            cause: error,
          })
        : error;
      if (!(await github.wait(failure, attempt))) throw naming(file, failure);
    }
  }
}

/** A limit is told before anything is taken; of another failure nobody knows how far it came. */
const mayHaveArrived = (error: unknown) =>
  error instanceof GitHubError && error.transient && error.waitS === undefined;

const naming = ({ name }: Outgoing, error: unknown) =>
  error instanceof GitHubError && !error.message.includes(name)
    ? new PipelineError(`${name}: ${error.message}`, { cause: error })
    : error;

/** One try. What has arrived is compared with what was sent; where it differs, it is removed again. */
async function post(
  github: GitHubClient,
  releases: GitHubReleases,
  release: StoredRelease,
  url: string,
  file: Outgoing,
): Promise<void> {
  let done = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _, next) {
      done += chunk.length;
      github.run.progress.bytes(done, file.size);
      next(null, chunk);
    },
  });
  const source = createReadStream(file.path, { highWaterMark: 1 << 20 });
  source.once("error", (error) => counted.destroy(error));
  let arrived: StoredAsset;
  try {
    const { data } = await github.octokit.request({
      method: "POST",
      url,
      name: file.name,
      data: Readable.toWeb(source.pipe(counted)),
      headers: { "content-type": "application/octet-stream", "content-length": file.size },
      request: { once: true },
    });
    arrived = storedAsset(data);
  } finally {
    source.destroy();
  }
  if (arrived.name !== file.name) {
    await releases.discard(release, arrived);
    throw new PipelineError(
      `GitHub has renamed ${file.name} to ${arrived.name}: it was removed; choose another name`,
    );
  }
  if (arrived.complete && arrived.size === file.size && (await releases.digest(arrived)) === file.sha256)
    return;
  await releases.discard(release, arrived);
  throw new GitHubError(
    `${file.name} has arrived with other bytes than were sent (${arrived.size} of ${file.size})`,
    {
      transient: true,
    },
  );
}
