import { Readable, Transform } from "node:stream";
import { PipelineError, within } from "../../util/error.ts";
import { checkOutgoing, EMPTY, isPublished, otherBytes } from "../outgoing.ts";
import type { Expected, Sent, StoredAsset, StoredRelease } from "../store.ts";
import { storedAsset } from "./api.ts";
import type { GitHubClient } from "./client.ts";
import { GitHubError } from "./failure.ts";
import type { GitHubReleases } from "./releases.ts";

/** A file to upload, and how to read it from its start. Each attempt reads it again. */
interface Source extends Expected {
  read(): Readable | Promise<Readable>;
}

/**
 * Uploads a file to a release as a stream. If the release has the file already, with the same bytes, it is kept. The rest
 * of an interrupted upload is removed first. A complete asset with other bytes is an error, and is never removed: after an
 * attempt whose answer was lost, nobody can know whose it is.
 */
export async function upload(
  github: GitHubClient,
  releases: GitHubReleases,
  release: StoredRelease,
  file: Source,
): Promise<Sent> {
  /** Whether the upload of this file has started. Errors then name the file. */
  let sending = false;
  const attempted = github.retry(async (attempt): Promise<Sent> => {
    sending = false;
    const { state, uploadUrl } = await releases.open(release.id);
    const present = await releases.assets(release);
    checkOutgoing(file, present);
    const there = present.find(({ name }) => name === file.name);
    if (there?.complete) {
      const digest = await releases.digest(there);
      if (digest === file.sha256) return attempt === 1 ? "there" : "sent";
      throw otherBytes(file.name, releases.name, digest, file.sha256, EMPTY);
    }
    if (state === "published") throw isPublished(release.tag, releases.name);
    if (there) await releases.discard(release, there);
    sending = true;
    const arrived = await post(github, uploadUrl, file);
    if (arrived.name !== file.name) throw renamed(arrived, file);
    if (!arrived.complete) throw unfinished();
    const digest = await releases.digest(arrived);
    if (digest !== file.sha256) throw otherBytes(file.name, releases.name, digest, file.sha256, EMPTY);
    return "sent";
  });
  return await attempted.catch((error: unknown) => {
    throw sending && error instanceof GitHubError ? within(file.name, error) : error;
  });
}

const exists = ({ codes }: GitHubError) => codes.includes("already_exists");

/** How much of a file is in memory at a time, bytes. */
export const BUFFER = { highWaterMark: 1 << 20 };

/** One attempt to upload a file. Returns the asset that GitHub created. */
async function post(github: GitHubClient, url: string, file: Source): Promise<StoredAsset> {
  let done = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _, next) {
      done += chunk.length;
      github.run.progress.bytes(done, file.size);
      next(null, chunk);
    },
  });
  const source = await file.read();
  /** Why the file could not be read; the request then fails for an unknown reason. */
  let unread: Error | undefined;
  source.once("error", (error) => {
    unread = error;
    counted.destroy(error);
  });
  try {
    const { data } = await github.octokit.request({
      method: "POST",
      url,
      name: file.name,
      // The default strategy counts chunks instead of bytes, and would buffer thousands of chunks.
      data: Readable.toWeb(source.pipe(counted), { strategy: new ByteLengthQueuingStrategy(BUFFER) }),
      headers: { "content-type": "application/octet-stream", "content-length": file.size },
      request: { once: true },
    });
    return storedAsset(data);
  } catch (error) {
    if (unread instanceof PipelineError) throw unread;
    // The list of assets was stale and did not show the asset. Another attempt reads the list again.
    if (!(error instanceof GitHubError) || !exists(error)) throw error;
    throw new GitHubError("the asset exists, but GitHub does not list it yet", {
      ...{ code: "github-unavailable", transient: true, codes: error.codes, cause: error },
    });
  } finally {
    source.destroy();
  }
}

/** The error for an asset under another name than was asked for. */
const renamed = (arrived: StoredAsset, { name }: Expected) =>
  new PipelineError(`GitHub renamed ${name} to ${arrived.name}`, {
    ...{ code: "github-refused", fix: `choose another name, and ${EMPTY}` },
  });

const unfinished = () =>
  new GitHubError("the upload was answered, but the asset is not complete", {
    ...{ code: "github-unavailable", transient: true },
  });
