import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { App, type ReadFile } from "../constructs/app.ts";
import { Release } from "../constructs/release.ts";
import type { Project } from "../synth/find-project.ts";
import { importTypeScript, moduleUrl } from "../synth/import-typescript.ts";
import { PipelineError } from "../util/error.ts";

export interface DeclaredImages {
  readonly app: App;
  readonly release: Release;
}

/**
 * Where a module is that a declaration imports. Constructs are those that are loaded here, and no second copy of them:
 * by the package's name, or in a checkout of the package by path.
 */
function locateImport(from: string, { root, declaration }: Project, files: ReadFile): string {
  if (from === "smolvm-images/constructs") return moduleUrl("../synth/index.ts", import.meta.url);
  const isCheckout = JSON.parse(files("package.json") ?? "{}").name === "smolvm-images";
  if (isCheckout && from.startsWith("./constructs/")) return moduleUrl(`../${from}`, import.meta.url);
  return new URL(from, pathToFileURL(join(root, declaration))).href;
}

/** `from "./pins.ts"`, `from "smolvm-images/constructs"`, at the end of an import statement. */
const IMPORTED = /^((?:import|export|\}) ?[^"\n]*from )"(smolvm-images\/constructs|\.\.?\/[^"]*)"/gm;

/**
 * Declares the tree that a text of images.ts says, as if it stood in its place, without writing there.
 *
 * @throws PipelineError when the text cannot be loaded, or declares no release
 */
export async function declareText(project: Project, text: string, files: ReadFile): Promise<DeclaredImages> {
  const directory = mkdtempSync(join(tmpdir(), "smolvm-images-"));
  try {
    const module = join(directory, "images.mts");
    writeFileSync(
      module,
      text.replaceAll(
        IMPORTED,
        (_, head: string, from: string) => `${head}"${locateImport(from, project, files)}"`,
      ),
    );
    const app = new App({ files });
    const { declareImages } = await importTypeScript(pathToFileURL(module).href);
    if (typeof declareImages === "function") declareImages(app);
    const release = app.node.findAll().find((construct) => construct instanceof Release);
    if (release === undefined) throw new PipelineError("declareImages makes no Release");
    return { app, release };
  } catch (cause) {
    throw new PipelineError(
      `${project.declaration} cannot be used: ${(cause as Error).message.split("\n")[0]}`,
      {
        cause,
      },
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
