import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { App, type ReadFile } from "../constructs/app.ts";
import { Release } from "../constructs/release.ts";
import { DECLARATION_PATH } from "../synth/declaration.ts";
import { PipelineError } from "../util/error.ts";

export interface DeclaredImages {
  readonly app: App;
  readonly release: Release;
}

/** What images.ts imports relative to itself: the constructs that are loaded here, and no second copy of them. */
const HOME = new URL("..", import.meta.url).href;

/**
 * Declares the tree that a text of images.ts says, as if it stood in its place, without writing there.
 *
 * @throws PipelineError when the text cannot be loaded, or declares no release
 */
export async function declareText(text: string, files: ReadFile): Promise<DeclaredImages> {
  const directory = mkdtempSync(join(tmpdir(), "smolvm-images-"));
  try {
    const module = join(directory, "images.mts");
    writeFileSync(
      module,
      text.replaceAll(/^(import [^"]*")\.\//gm, (_, head) => `${head}${HOME}`),
    );
    const app = new App({ files });
    const loaded: { declareImages?: (app: App) => void } = await import(pathToFileURL(module).href);
    loaded.declareImages?.(app);
    const release = app.node.findAll().find((construct) => construct instanceof Release);
    if (release === undefined) throw new PipelineError("declareImages makes no Release");
    return { app, release };
  } catch (cause) {
    throw new PipelineError(
      `${DECLARATION_PATH} cannot be used: ${(cause as Error).message.split("\n")[0]}`,
      {
        cause,
      },
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
