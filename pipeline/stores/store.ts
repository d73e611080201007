import type { Facts } from "../schema/facts.ts";
import type { StagingDirectory } from "./directory/staging.ts";

/** One release of a store. */
export interface StoredRelease {
  /** What `--release-id` takes: GitHub's number, or a directory's path. */
  readonly id: string;
  readonly tag: string;
  /** A published release is never changed. */
  readonly state: "draft" | "published";
  /** Where a person looks at it. */
  readonly url: string;
}

/** A file that a release has. */
export interface StoredAsset {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  /** Undefined where the store does not say: `digest` finds out. */
  readonly sha256: string | undefined;
  /** False for what an upload that died has left. */
  readonly complete: boolean;
  /** Whether the pipeline did not make it: then it is never removed. @default false */
  readonly foreign?: boolean;
}

/** A file that a release is to have. */
export interface Outgoing {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** Whether a file had to be sent, or its very bytes were there. */
export type Sent = "sent" | "there";

/** Where releases are: on GitHub, or in a directory. Every verb works with either. */
export interface ReleaseStore {
  /** For messages: `CelestoAI/SmolVM on GitHub`. */
  readonly name: string;
  /** Whether what is there is read by others, and must be exactly what is declared. */
  readonly isPublic: boolean;
  /** Finds the one draft of a tag, or creates it. @throws PipelineError when it is published, or there are several */
  prepare(tag: string): Promise<StoredRelease>;
  /** The release with this id. @throws PipelineError when there is none */
  open(id: string): Promise<StoredRelease>;
  /** The draft or the published release of a tag; undefined where there is neither. */
  find(tag: string): Promise<StoredRelease | undefined>;
  list(): Promise<StoredRelease[]>;
  /** What a release has; a list that lacks some of the `expected` may be stale, and is read again before it is believed. */
  assets(release: StoredRelease, expected?: readonly string[]): Promise<StoredAsset[]>;
  /** The sha256 of what an asset holds, as the store says it, or of its bytes. */
  digest(asset: StoredAsset): Promise<string>;
  /** The sha256 of an asset's bytes, read anew. */
  hash(asset: StoredAsset): Promise<string>;
  /** @throws PipelineError when the release has other bytes under the name, or is published and has none */
  send(release: StoredRelease, file: Outgoing): Promise<Sent>;
  /** Sends a staged asset, checked against its facts. */
  sendStaged(release: StoredRelease, staged: StagingDirectory, facts: Facts): Promise<Sent>;
  /** Removes an asset of a draft. */
  discard(release: StoredRelease, asset: StoredAsset): Promise<void>;
  /** Makes a draft public. Does nothing where it is already. */
  publish(release: StoredRelease): Promise<StoredRelease>;
  remove(release: StoredRelease): Promise<void>;
}
