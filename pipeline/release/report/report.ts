import type { PackageType, ProvenOn } from "../../schema/facts.ts";
import type { RecordedAsset } from "../../schema/recorded-digests.ts";

/** What the report of a release shows. All of it is recorded: in its manifest, in its inventories, in earlier manifests. */
export interface Report {
  readonly tag: string;
  /** `owner/name`. */
  readonly repository: string;
  /** The address of the release's page. @default it is in a directory, and has none */
  readonly url?: string | undefined;
  /** Whether the release has the manifest's attestation. */
  readonly attested: boolean;
  /** In the order of the table. */
  readonly assets: readonly ReportedAsset[];
  readonly refused: readonly { readonly preset: string; readonly flavor: string; readonly reason: string }[];
  /** The last releases, oldest first; this one is the last of them. */
  readonly history: readonly PastRelease[];
}

/** One file of the release: a root file system, or a kernel in one format. */
export interface ReportedAsset {
  /** The file's name. */
  readonly name: string;
  /** `codex`, `base`, `kernel`: the first part of its cell's id. */
  readonly what: string;
  /** null for a kernel. */
  readonly flavor: string | null;
  readonly arch: string;
  readonly sha256: string;
  /** Bytes on the wire. */
  readonly size: number;
  /** The total size of its files, bytes; undefined for a kernel. */
  readonly contentSize: number | undefined;
  readonly boot: Boot | undefined;
  readonly proven: readonly ProvenOn[];
  /** The tag of the release that it was carried over from; undefined if it was built for this one. */
  readonly from: string | undefined;
  readonly inventory: ReportedInventory | undefined;
}

/** Times are comparable only with the same accelerator. */
type Boot = NonNullable<RecordedAsset["boot"]>;

interface ReportedInventory {
  /** The name of the inventory's file. */
  readonly asset: string;
  readonly packages: readonly ReportedPackage[];
  /** The largest files, bytes by path; empty if the inventory does not list them. */
  readonly files: Readonly<Record<string, number>>;
}

export interface ReportedPackage {
  readonly type: PackageType;
  readonly name: string;
  readonly version: string;
  /** SPDX expressions or names; empty if none is known. */
  readonly licenses: readonly string[];
}

/** What an earlier release recorded, by asset name. */
export interface PastRelease {
  readonly tag: string;
  readonly assets: Readonly<Record<string, { readonly size: number; readonly boot?: Boot | undefined }>>;
}
