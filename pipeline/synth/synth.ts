import type { App } from "../constructs/app.ts";
import { Release } from "../constructs/release.ts";
import { CELLS_PATH, Cells } from "../schema/cells.ts";
import { MANIFEST_PATH, MANIFEST_SCHEMA_PATH, manifestText } from "../schema/manifest.ts";
import { RELEASE_WORKFLOW } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import { renderCells } from "./cells.ts";
import { ATTRIBUTES_PATH, renderAttributes } from "./gitattributes.ts";
import { manifestSchema, renderManifest } from "./manifest.ts";
import { markedJson } from "./marker.ts";
import { renderBoxes } from "./packer/render.ts";
import { PUBLISHED_IMAGES_PATH, publishedImages } from "./published-images.ts";
import { validate } from "./validate.ts";
import { buildPublishedImages } from "./workflow/build-published-images.ts";
import { drift } from "./workflow/drift.ts";
import { pullRequest } from "./workflow/pull-request.ts";
import { pullRequestComment } from "./workflow/pull-request-comment.ts";
import { renderWorkflow } from "./workflow/render.ts";

/** Every generated file: its text by its path relative to the project's root. */
export type Output = ReadonlyMap<string, string>;

/**
 * Turns a tree into its generated files, without a disk: validates everything, locks the tree, renders.
 * @throws PipelineError with every error of the tree, each with the path of its construct
 */
export function synth(app: App): Output {
  validate(app);
  app.node.lock();

  const release = theRelease(app);
  const { cells, dockerfiles, generated } = renderCells(release);
  const output = new Map<string, string>();

  output.set(RELEASE_WORKFLOW, renderWorkflow(buildPublishedImages(release.tag)));
  output.set(".github/workflows/drift.yml", renderWorkflow(drift()));
  output.set(".github/workflows/pull-request.yml", renderWorkflow(pullRequest()));
  output.set(".github/workflows/pull-request-comment.yml", renderWorkflow(pullRequestComment()));
  for (const { path, text } of [...dockerfiles, ...generated]) output.set(path, text);
  output.set(CELLS_PATH, markedJson(cells));
  const manifest = renderManifest(release, cells);
  output.set(MANIFEST_PATH, manifestText(manifest));
  output.set(PUBLISHED_IMAGES_PATH, publishedImages(manifest));
  output.set(MANIFEST_SCHEMA_PATH, markedJson(manifestSchema()));
  for (const { path, text } of renderBoxes(app)) output.set(path, text);
  output.set(ATTRIBUTES_PATH, renderAttributes([...output.keys()]));

  return new Map([...output].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The content of the generated `out/cells.json`. */
export function cellsOf(output: Output): Cells {
  return Cells.parse(JSON.parse(output.get(CELLS_PATH)!));
}

function theRelease(app: App): Release {
  const releases = app.node.findAll().filter((construct) => construct instanceof Release);
  const [release] = releases;
  if (!release || releases.length > 1) {
    throw new PipelineError(`the tree declares ${releases.length} releases: declare exactly one`);
  }
  return release;
}
