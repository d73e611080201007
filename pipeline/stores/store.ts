import type { Facts } from "../schema/facts.ts";
import type { StagingDirectory } from "./directory/staging.ts";

/** A release in a release store. */
export interface StoredRelease {
  /** The value for `--release-id`: GitHub's number, or the path of a directory. */
  readonly id: string;
  readonly tag: string;
  /** A published release is never changed. */
  readonly state: "draft" | "published";
  /** The address of its page, or the path of its directory. */
  readonly url: string;
  /** Whether the store refuses to change the published release and its tag. @default false */
  readonly immutable?: boolean;
}

/** What a store itself has attested of a published release, unverified. */
export interface ReleaseAttestations {
  /** `owner/name`. */
  readonly repository: string;
  /** The git object that the tag points to. */
  readonly object: string;
  /** sigstore bundles, JSON. */
  readonly bundles: readonly string[];
}

/** A file of a release. */
export interface StoredAsset {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  /** Undefined if the store does not report it; `digest` computes it. */
  readonly sha256: string | undefined;
  /** False for the rest of an interrupted upload. */
  readonly complete: boolean;
  /** Whether something other than the pipeline made it. Such a file is never removed. @default false */
  readonly foreign?: boolean;
}

/** What a file of a release must be. */
export interface Expected {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}

/** A file to upload. */
export interface Outgoing extends Expected {
  readonly path: string;
}

/** A file to copy from another release of the same store. */
export interface Copied extends Expected {
  readonly from: StoredAsset;
}

/** `sent`: the file was uploaded. `there`: the release had it already, with the same bytes. */
export type Sent = "sent" | "there";

/** Where releases are: GitHub, or a directory. Every command works with both. */
export interface ReleaseStore {
  /** Its name in messages: `CelestoAI/SmolVM on GitHub`. */
  readonly name: string;
  /** Whether others download from it. Its assets must then be exactly as declared. */
  readonly isPublic: boolean;
  /** Finds or creates the draft of a tag. @throws PipelineError when the tag is published, or has several drafts */
  prepare(tag: string): Promise<StoredRelease>;
  /** The release with this id. @throws PipelineError when there is none */
  open(id: string): Promise<StoredRelease>;
  /** The draft or the published release of a tag; undefined if there is neither. */
  find(tag: string): Promise<StoredRelease | undefined>;
  list(): Promise<StoredRelease[]>;
  /** The assets of a release. If some of `expected` are missing, the list may be stale and is read again several times. */
  assets(release: StoredRelease, expected?: readonly string[]): Promise<StoredAsset[]>;
  /** The sha256 of an asset, as the store reports it; if it does not, computed from the bytes. */
  digest(asset: StoredAsset): Promise<string>;
  /** The sha256 of an asset, always computed from its bytes. */
  hash(asset: StoredAsset): Promise<string>;
  /** What the store itself attests of a published release; undefined if it attests nothing. */
  attestations(release: StoredRelease): Promise<ReleaseAttestations | undefined>;
  /** Uploads a file. @throws PipelineError when the release has other bytes under its name, or is published without it */
  send(release: StoredRelease, file: Outgoing): Promise<Sent>;
  /**
   * Copies a file from another release. It is read once, and hashed on the way.
   * @throws PipelineError when it has other bytes than expected; then nothing complete is under its name
   */
  copy(release: StoredRelease, file: Copied): Promise<Sent>;
  /** Downloads a file, and checks it on the way. @throws PipelineError when it has other bytes than expected */
  save(file: Copied, path: string): Promise<void>;
  /** Uploads a staged asset, after checking it against its facts. */
  sendStaged(release: StoredRelease, staged: StagingDirectory, facts: Facts): Promise<Sent>;
  /** Sets what a draft says about its changes, Markdown. What a person has written is kept. A directory has no text. */
  describe(release: StoredRelease, text: string): Promise<void>;
  /** Removes an asset of a draft. */
  discard(release: StoredRelease, asset: StoredAsset): Promise<void>;
  /** Makes a draft public. Does nothing if the release is public already. */
  publish(release: StoredRelease): Promise<StoredRelease>;
  remove(release: StoredRelease): Promise<void>;
}
