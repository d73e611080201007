import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Publication, publish } from "../../../pipeline/release/publish.ts";
import { uploadCell } from "../../../pipeline/release/upload.ts";
import type { Cell, Cells } from "../../../pipeline/schema/cells.ts";
import { Facts } from "../../../pipeline/schema/facts.ts";
import { sbomAsset } from "../../../pipeline/schema/names.ts";
import type { RecordedDigests } from "../../../pipeline/schema/recorded-digests.ts";
import { StagingDirectory } from "../../../pipeline/stores/directory/staging.ts";
import { GitHubClient, PATIENCE, type Patience } from "../../../pipeline/stores/github/client.ts";
import { GitHubReleases } from "../../../pipeline/stores/github/releases.ts";
import type { StoredRelease } from "../../../pipeline/stores/store.ts";
import type { Run } from "../../../pipeline/util/progress.ts";
import { ACCOUNTED, PROVEN } from "../proven.ts";
import { tempDirectory } from "../run.ts";
import { silentRun } from "../silent.ts";
import type { GitHubServer } from "./server.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** The bytes that stand for an asset: its own, and no others. */
export const bytesOf = (asset: string): string => `the bytes of ${asset} `.repeat(40);

/** What a cell leaves in the store for one of its assets, with tiny bytes. */
export function factsOf(cell: Cell, asset: string, overrides: readonly string[] = []): Facts {
  const bytes = bytesOf(asset);
  const sbom = sbomAsset(asset);
  const boot = { vmm: "qemu", accel: "tcg", init_uptime_s: 1.1 };
  const login = { ms: 3500, ready_uptime_s: 2 };
  const common = {
    schema_version: 1,
    ...{ id: cell.id, arch: cell.arch, asset, overrides, inputs: cell.inputs },
    ...{ sha256: sha256(bytes), size: bytes.length },
    ...{ image_sha256: sha256(`image of ${asset}`), image_size: 10 * bytes.length },
    source: "a test",
    sbom: { asset: sbom, sha256: sha256(bytesOf(sbom)), size: bytesOf(sbom).length, components: { deb: 1 } },
    packages: [],
  };
  if (cell.kind === "kernel") {
    const format = asset.endsWith(".elf") ? "elf" : "image";
    const rootfs = { id: "base-amd64-debian", inputs: sha256("base"), source: "a test", ...login };
    const boots = [{ ...boot, started: format, machine: "pci", rootfs }];
    return Facts.parse({ ...common, kind: "kernel", format, boot: boots });
  }
  return Facts.parse({
    ...common,
    ...{ kind: cell.kind, flavor: cell.flavor, preset: cell.kind === "preset" ? cell.preset : null },
    ...{ zstd_level: 19, content_size: 1000, accounted: ACCOUNTED },
    frames: { offset: 1 + asset.length, size: 56, sha256: sha256(`frames of ${asset}`) },
    boot: { ...boot, ...login, kernel_sha256: sha256("kernel"), check: null },
    proven: PROVEN,
  });
}

/** Writes what finished cells leave, for every published one. */
export function stage(cells: Cells, directory: string, facts: typeof factsOf = factsOf): void {
  mkdirSync(directory, { recursive: true });
  for (const cell of cells.cells.filter(({ published }) => published)) {
    for (const asset of cell.assets) {
      writeFileSync(join(directory, asset), bytesOf(asset));
      writeFileSync(join(directory, sbomAsset(asset)), bytesOf(sbomAsset(asset)));
      writeFileSync(join(directory, `${asset}.json`), JSON.stringify(facts(cell, asset)));
    }
  }
}

/** As patient as on GitHub, a thousand times faster. */
const FAST: Patience = {
  ...PATIENCE,
  ...{ attempts: 5, polls: 4, firstMs: 0.2, longestMs: 4, secondMs: 0.05, silenceMs: 400 },
};

/** What a workflow does with finished cells, against a GitHub on loopback. */
export class Publisher {
  readonly cells: Cells;
  readonly staged: StagingDirectory;
  readonly #server: GitHubServer;
  /** What was recorded last. */
  recorded: RecordedDigests | undefined;

  constructor(server: GitHubServer, cells: Cells, directory: string) {
    this.#server = server;
    this.cells = cells;
    this.staged = new StagingDirectory(directory);
  }

  /** A publisher of these cells, which are staged. */
  static staged(server: GitHubServer, cells: Cells, directory = tempDirectory()): Publisher {
    stage(cells, directory);
    return new Publisher(server, cells, directory);
  }

  client(token = "good", run: Run = silentRun()): GitHubClient {
    const { url, github } = this.#server;
    return new GitHubClient({ token, repository: github.repository, apiUrl: url, patience: FAST }, run);
  }

  store(token = "good", run: Run = silentRun()): GitHubReleases {
    return new GitHubReleases(this.client(token, run));
  }

  prepare(store = this.store()): Promise<StoredRelease> {
    return store.prepare(this.cells.tag);
  }

  async upload(release: StoredRelease, store = this.store(), run: Run = silentRun()): Promise<void> {
    for (const cell of this.cells.cells.filter(({ published }) => published)) {
      await uploadCell({ cells: this.cells, staged: this.staged, store, release }, cell, run);
    }
  }

  async publish(release: StoredRelease, final = true, store = this.store()): Promise<Publication> {
    const record = async (lock: RecordedDigests) => {
      this.recorded = lock;
    };
    return await publish(
      { cells: this.cells, staged: this.staged, store, release, record, final },
      silentRun(),
    );
  }

  /** Everything, from nothing to a public release. @throws what a command would say */
  async all(): Promise<void> {
    const release = await this.prepare();
    await this.upload(release);
    const { problems } = await this.publish(release);
    if (problems.length > 0) throw new Refused(problems);
  }
}

/** `publish` has said no. */
export class Refused extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
  }
}
