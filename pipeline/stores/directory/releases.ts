import { copyFile, lstat, readdir, rm, rmdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Facts } from "../../schema/facts.ts";
import { makeDirectory } from "../../util/directory.ts";
import { PipelineError } from "../../util/error.ts";
import { sha256File } from "../../util/hash.ts";
import type { Run } from "../../util/progress.ts";
import { writeWhole } from "../../util/whole-file.ts";
import { checkOutgoing, EMPTY, notTheSame, otherBytes } from "../outgoing.ts";
import type { Copied, Outgoing, ReleaseStore, Sent, StoredAsset, StoredRelease } from "../store.ts";
import { checkOwnership, inTheWay, ownershipOf } from "./ownership.ts";
import { StagingDirectory } from "./staging.ts";

const ADVICE = "choose another directory with --store dir:PATH";

/**
 * A directory as a release store: a staging directory, which can also be served as a mirror. Its release is always a
 * draft, because the owner of the directory can change it at any time. If the directory is named after its tag, the
 * directories beside it are the releases of other tags.
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
    await checkOwnership(this.#directory);
    await makeDirectory(this.#directory, ADVICE);
    return this.#release(this.#directory, this.#tag);
  }

  async open(id: string): Promise<StoredRelease> {
    if (!(await isDirectory(id))) {
      throw new PipelineError(`there is no directory ${id}`, {
        ...{ code: "not-offered", fix: "create it with `npx smolvm-images release prepare`" },
      });
    }
    await checkOwnership(id);
    return this.#release(id, this.#tag);
  }

  async find(tag: string): Promise<StoredRelease | undefined> {
    const directory = tag === this.#tag ? this.#directory : join(dirname(this.#directory), tag);
    return (await isDirectory(directory)) ? this.#release(directory, tag) : undefined;
  }

  /** This release; if its directory is named after the tag, also the releases in the directories beside it. */
  async list(): Promise<StoredRelease[]> {
    const named = basename(this.#directory) === this.#tag;
    const directories = named ? await directoriesIn(dirname(this.#directory)) : [this.#directory];
    const releases = [];
    for (const directory of directories) {
      const { ours } = await ownershipOf(directory);
      const tag = named ? basename(directory) : this.#tag;
      if (ours.size > 0) releases.push(this.#release(directory, tag));
    }
    return releases;
  }

  /** Every file, except the facts, which belong to their assets. */
  async assets({ id }: StoredRelease): Promise<StoredAsset[]> {
    const { ours, abandoned, foreign } = await ownershipOf(id);
    const isFacts = (name: string) => name.endsWith(".json") && ours.has(name.slice(0, -".json".length));
    const assets = [];
    for (const name of [...abandoned, ...[...ours].filter((each) => !isFacts(each)), ...foreign]) {
      const path = join(id, name);
      const file = await lstat(path);
      if (!file.isFile()) continue;
      const common = { id: path, name, size: file.size, sha256: undefined };
      assets.push({ ...common, complete: !abandoned.has(name), foreign: foreign.includes(name) });
    }
    return assets;
  }

  async digest(asset: StoredAsset): Promise<string> {
    return await this.hash(asset);
  }

  async hash({ id }: StoredAsset): Promise<string> {
    return await sha256File(id, this.#run.signal);
  }

  async attestations(): Promise<undefined> {
    return undefined;
  }

  async send({ id }: StoredRelease, file: Outgoing): Promise<Sent> {
    checkOutgoing(file, []);
    await makeDirectory(id, ADVICE);
    const target = join(id, file.name);
    if (await stat(target).catch(() => undefined)) {
      const there = await sha256File(target, this.#run.signal);
      if (there === file.sha256) return "there";
      throw otherBytes(file.name, id, there, file.sha256, "remove it, or choose another directory");
    }
    await writeWhole(target, (partial) => copyFile(file.path, partial));
    return "sent";
  }

  async save(file: Copied, path: string): Promise<void> {
    await this.#check(file);
    await copyFile(file.from.id, path);
  }

  async copy(release: StoredRelease, file: Copied): Promise<Sent> {
    await this.#check(file);
    const { name, size, sha256, from } = file;
    return await this.send(release, { name, size, sha256, path: from.id });
  }

  async #check({ name, sha256, from }: Copied): Promise<void> {
    const there = await sha256File(from.id, this.#run.signal);
    if (there !== sha256)
      throw notTheSame(name, dirname(from.id), `sha256 ${there}, but ${sha256} is recorded`);
  }

  /** Stages the asset with its facts and its inventory. */
  async sendStaged({ id }: StoredRelease, staged: StagingDirectory, facts: Facts): Promise<Sent> {
    const { path } = await staged.outgoing(facts, this.#run);
    const target = new StagingDirectory(id);
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

  async describe(): Promise<void> {}

  /** @throws PipelineError when the pipeline did not make the file */
  async discard({ id }: StoredRelease, { name }: StoredAsset): Promise<void> {
    const { ours, abandoned, foreign } = await ownershipOf(id);
    if (foreign.includes(name)) throw inTheWay(id, name);
    for (const each of [name, `${name}.json`]) {
      if (ours.has(each) || abandoned.has(each)) await rm(join(id, each), { force: true });
    }
  }

  async publish(release: StoredRelease): Promise<StoredRelease> {
    return release;
  }

  /** Removes our files. Files of others stay, and then the directory as well. */
  async remove({ id }: StoredRelease): Promise<void> {
    const { ours, abandoned } = await ownershipOf(id);
    for (const name of [...abandoned, ...ours]) await rm(join(id, name), { force: true });
    const [left] = await readdir(id);
    if (left === undefined) await rmdir(id);
    else this.#run.progress.warn(`${id} was not removed, because ${left} in it was not made by the pipeline`);
  }

  #release(directory: string, tag: string): StoredRelease {
    return { id: directory, tag, state: "draft", url: directory };
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** The directories in a directory, sorted. Links are left out. */
async function directoriesIn(parent: string): Promise<string[]> {
  const entries = await readdir(parent, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(parent, name))
    .sort();
}
