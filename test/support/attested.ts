import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Signer } from "../../pipeline/attestation/signer.ts";
import { releaseManifest, sha256Of } from "../../pipeline/release/digests.ts";
import type { Cell, Cells } from "../../pipeline/schema/cells.ts";
import { MANIFEST_ASSET } from "../../pipeline/schema/names.ts";
import { factsOf } from "./github/staging.ts";
import type { OwnSigstore } from "./sigstore.ts";

/** The assets of a cell with their inventories, with the bytes that `stage` writes. */
export const subjectsOf = (cell: Cell) =>
  cell.assets.flatMap((asset) => {
    const { sha256, sbom } = factsOf(cell, asset);
    return [
      { name: asset, sha256 },
      { name: sbom.asset, sha256: sbom.sha256 },
    ];
  });

/** The manifest of what `stage` writes. */
export const manifestSubject = (cells: Cells) => {
  const published = cells.cells.filter((cell) => cell.published);
  const facts = published.flatMap((cell) => cell.assets.map((asset) => factsOf(cell, asset)));
  return { name: MANIFEST_ASSET, sha256: sha256Of(releaseManifest(cells, { facts })) };
};

/** Puts a bundle where `publish` reads it: of a cell by its id, or of the manifest. */
export function putBundle(directory: string, of: string, bundle: string): void {
  mkdirSync(join(directory, `attestation-${of}`), { recursive: true });
  writeFileSync(join(directory, `attestation-${of}`, "attestation.json"), bundle);
}

/** Leaves what the signing jobs of a run leave, for what `stage` writes. */
export async function attestAll(
  sigstore: OwnSigstore,
  cells: Cells,
  directory: string,
  signer: Signer,
): Promise<void> {
  for (const cell of cells.cells.filter(({ published }) => published))
    putBundle(directory, cell.id, `${await sigstore.attest(subjectsOf(cell), signer)}\n`);
  putBundle(directory, "manifest", `${await sigstore.attest([manifestSubject(cells)], signer)}\n`);
}
