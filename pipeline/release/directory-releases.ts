import { copyFile, mkdir, readdir, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { PipelineError } from "../schema/error.ts";
import type { Facts } from "../schema/facts.ts";
import { sha256File } from "../schema/hash.ts";
import { MANIFEST_ASSET, SUMS_ASSET } from "../schema/names.ts";
import type { Run } from "../schema/progress.ts";
import { writeWhole } from "../schema/whole-file.ts";
import { DirectoryStore } from "./directory-store.ts";
import { checkOutgoing, EMPTY, otherBytes } from "./outgoing.ts";
import type { Outgoing, ReleaseStore, Sent, StoredAsset, StoredRelease } from "./store.ts";

/**
 * A release as a directory: what cells are staged in, and what a mirror serves. It stays a draft, because its owner
 * may always change it; the releases beside it are those of other tags.
 */
export class DirectoryReleases implements ReleaseStore {
  readonly isPublic = false;
  readonly name: string;
  readonly #directory: string;
  readonly #tag: string;
  readonly #run: Run;

  constructor(directory: string, tag: string, run: Run) {
    this.#directory = directory;
    this.#tag = tag;
    this.#run = run;
    this.name = directory;
  }

  async prepare(): Promise<StoredRelease> {
    await mkdir(this.#directory, { recursive: true });
    return this.#release(this.#directory, this.#tag);
  }

  async open(id: string): Promise<StoredRelease> {
    if (!(await isDirectory(id))) {
      throw new PipelineError(`there is no directory ${id}: \`npm run release -- prepare\` makes one`);
    }
    return this.#release(id, this.#tag);
  }

  async find(tag: string): Promise<StoredRelease | undefined> {
    const directory = tag === this.#tag ? this.#directory : join(dirname(this.#directory), tag);
    return (await isDirectory(directory)) ? this.#release(directory, tag) : undefined;
  }

  /** Beside a directory that is named after its tag are those of other tags. */
  async list(): Promise<StoredRelease[]> {
    if (basename(this.#directory) !== this.#tag) return [await this.prepare()];
    const parent = dirname(this.#directory);
    const entries = await readdir(parent, { withFileTypes: true }).catch(() => []);
    const directories = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(parent, name));
    const releases = [];
    for (const directory of directories.sort()) {
      const names = await readdir(directory);
      if (names.includes(SUMS_ASSET) || names.includes(MANIFEST_ASSET)) {
        releases.push(this.#release(directory, basename(directory)));
      }
    }
    return releases;
  }

  async assets({ id }: StoredRelease): Promise<StoredAsset[]> {
    const entries = await readdir(id, { withFileTypes: true });
    const names = new Set(entries.filter((entry) => entry.isFile()).map(({ name }) => name));
    const isFacts = (name: string) => name.endsWith(".json") && names.has(name.slice(0, -".json".length));
    return await Promise.all(
      [...names]
        .filter((name) => !isFacts(name) && !name.endsWith(".partial"))
        .map(async (name) => {
          const path = join(id, name);
          return { id: path, name, size: (await stat(path)).size, sha256: undefined, complete: true };
        }),
    );
  }

  async digest(asset: StoredAsset): Promise<string> {
    return await this.hash(asset);
  }

  async hash({ id }: StoredAsset): Promise<string> {
    return await sha256File(id, this.#run.signal);
  }

  async send({ id }: StoredRelease, file: Outgoing): Promise<Sent> {
    checkOutgoing(file, []);
    const target = join(id, file.name);
    if (await stat(target).catch(() => undefined)) {
      const there = await sha256File(target, this.#run.signal);
      if (there === file.sha256) return "there";
      throw otherBytes(file.name, id, there, file.sha256, "remove it, or choose another directory");
    }
    await writeWhole(target, (partial) => copyFile(file.path, partial));
    return "sent";
  }

  /** With its facts and its inventory, as a cell leaves it. */
  async sendStaged({ id }: StoredRelease, staged: DirectoryStore, facts: Facts): Promise<Sent> {
    const { path } = await staged.outgoing(facts, this.#run);
    const target = new DirectoryStore(id);
    const there = await target.facts(facts.asset);
    if (resolve(path) === resolve(id, facts.asset)) return "there";
    if (there && there.sha256 !== facts.sha256) {
      throw otherBytes(facts.asset, id, there.sha256, facts.sha256, EMPTY);
    }
    const actual = there && (await sha256File(join(id, facts.asset)).catch(() => undefined));
    if (actual === facts.sha256) return "there";
    await target.copy(staged, facts);
    return "sent";
  }

  async discard(_: StoredRelease, { id }: StoredAsset): Promise<void> {
    await rm(id, { force: true });
    await rm(`${id}.json`, { force: true });
  }

  async publish(release: StoredRelease): Promise<StoredRelease> {
    return release;
  }

  async remove({ id }: StoredRelease): Promise<void> {
    await rm(id, { recursive: true });
  }

  #release(directory: string, tag: string): StoredRelease {
    return { id: directory, tag, state: "draft", url: directory };
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
