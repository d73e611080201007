import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Subject, sbom } from "../../pipeline/image/rootfs/sbom.ts";
import type { Cell, Cells } from "../../pipeline/schema/cells.ts";
import { Facts, type Package } from "../../pipeline/schema/facts.ts";
import { factsOf } from "./github/staging.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** What is said to be in an asset. */
export interface Said {
  /** The bytes that stand for the asset. @default those of `factsOf` */
  readonly bytes?: string;
  /** Milliseconds to the SSH login. @default 3500 */
  readonly ms?: number;
  readonly packages?: readonly Package[];
  readonly files?: Readonly<Record<string, number>>;
}

const INVENTORY = { distribution: { id: "debian", version: "13" } } as const;

/** Stages every published cell, with an inventory as the pipeline writes it. @returns the facts by asset */
export function stageContents(
  cells: Cells,
  directory: string,
  saidOf: (cell: Cell, asset: string) => Said = () => ({}),
): Map<string, Facts> {
  mkdirSync(directory, { recursive: true });
  const staged = new Map<string, Facts>();
  for (const cell of cells.cells.filter(({ published }) => published)) {
    for (const asset of cell.assets) {
      const said = saidOf(cell, asset);
      const subject: Subject = {
        ...INVENTORY,
        name: cell.id,
        type: "rootfs",
        arch: cell.arch,
        files: said.files ?? {},
      };
      const inventory = sbom(
        subject,
        (said.packages ?? []).map((each) => ({ ...each, license: [] })),
      );
      const { bytes = `the bytes of ${asset} `.repeat(40), ms = 3500 } = said;
      const facts = factsOf(cell, asset);
      const rootfs = { ...(facts.kind === "kernel" && facts.boot[0]?.rootfs), ms };
      const whole = Facts.parse({
        ...facts,
        ...{ sha256: sha256(bytes), size: Buffer.byteLength(bytes), packages: said.packages ?? [] },
        sbom: { ...facts.sbom, sha256: sha256(inventory), size: Buffer.byteLength(inventory) },
        boot: facts.kind === "kernel" ? [{ ...facts.boot[0], rootfs }] : { ...facts.boot, ms },
      });
      writeFileSync(join(directory, asset), bytes);
      writeFileSync(join(directory, facts.sbom.asset), inventory);
      writeFileSync(join(directory, `${asset}.json`), JSON.stringify(whole));
      staged.set(asset, whole);
    }
  }
  return staged;
}
