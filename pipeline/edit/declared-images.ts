import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
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
 * Loads images.ts and its imports from `files`, which need not be on the disk, and makes the tree that it declares.
 *
 * @throws PipelineError when images.ts cannot be loaded, or declares no release
 */
export async function declareImagesOf({ declaration }: Project, files: ReadFile): Promise<DeclaredImages> {
  const directory = mkdtempSync(join(tmpdir(), "smolvm-images-"));
  try {
    writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
    place(declaration, files, directory);
    const app = new App({ files });
    const { declareImages } = await importTypeScript(pathToFileURL(join(directory, declaration)).href);
    if (typeof declareImages === "function") declareImages(app);
    const release = app.node.findAll().find((construct) => construct instanceof Release);
    if (release === undefined) throw new PipelineError("declareImages declares no Release");
    return { app, release };
  } catch (cause) {
    throw new PipelineError(`${declaration} cannot be used: ${(cause as Error).message.split("\n")[0]}`, {
      cause,
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** `from "./pins.ts"`, `from "smolvm-images/constructs"`, at the end of an import statement. */
const IMPORTED = /^((?:import|export|\}) ?[^"\n]*from )"(smolvm-images\/constructs|\.\.?\/[^"]*)"/gm;

/**
 * Writes a module and the project's modules that it imports below `directory`. Imports of the constructs (by the package's
 * name, or in a checkout of this package by path) are redirected to the copy that this program has loaded.
 */
function place(path: string, files: ReadFile, directory: string): void {
  const text = files(path) ?? "";
  const isCheckout = JSON.parse(files("package.json") ?? "{}").name === "smolvm-images";
  const target = join(directory, path);
  mkdirSync(dirname(target), { recursive: true });
  // An empty file marks this module as written, so that two modules that import each other do not recurse forever.
  writeFileSync(target, "");
  const placed = text.replaceAll(IMPORTED, (line, head: string, from: string) => {
    if (from === "smolvm-images/constructs")
      return `${head}"${moduleUrl("../synth/index.ts", import.meta.url)}"`;
    const other = posix.join(posix.dirname(path), from);
    if (isCheckout && from.startsWith("./constructs/")) {
      return `${head}"${moduleUrl("../constructs/index.ts", import.meta.url)}"`;
    }
    const isPlaced = existsSync(join(directory, other));
    if (!isPlaced && !other.startsWith("..") && files(other) !== undefined) place(other, files, directory);
    return line;
  });
  writeFileSync(target, placed);
}
