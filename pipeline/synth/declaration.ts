import { existsSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { App } from "../constructs/app.ts";
import { PipelineError } from "../util/error.ts";
import { typecheck } from "./typecheck.ts";

/** Where a project says what is published, from its root. */
export const DECLARATION_PATH = "pipeline/images.ts";

/**
 * The function with which the project in `root` declares its tree. It is typechecked before it is run.
 * @throws PipelineError that says what is wrong with it, and in which line
 */
export async function loadDeclaration(root: string): Promise<(app: App) => Promise<void>> {
  const file = join(root, DECLARATION_PATH);
  if (!existsSync(file)) {
    throw new PipelineError(`${DECLARATION_PATH} is not in ${root}: run this at the root of the project`);
  }
  await typecheck(root, DECLARATION_PATH);
  const { declareImages } = await located(root, async () => await import(pathToFileURL(file).href));
  if (typeof declareImages !== "function") {
    throw new PipelineError(`${DECLARATION_PATH} exports no function declareImages(app: App)`);
  }
  return (app) => located(root, async () => await declareImages(app));
}

/** Does `work`; what it throws becomes one line with the place in the project where it was thrown. */
async function located<T>(root: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof Error)) throw new PipelineError(`${DECLARATION_PATH}: threw ${String(cause)}`);
    const plain = cause instanceof PipelineError || cause.name === "Error";
    const reason = plain ? cause.message : `${cause.name}: ${cause.message}`;
    const details = cause instanceof PipelineError ? cause.details : [];
    const error = new PipelineError(`${placeOf(root, cause)}: ${reason.replaceAll(/\s*\n\s*/g, " ")}`, {
      details,
      cause,
    });
    // What --debug shows: where it was thrown, not where it was caught.
    if (cause.stack !== undefined) error.stack = cause.stack;
    throw error;
  }
}

/**
 * The line of the declaration that an error comes from, `pipeline/images.ts:98:5`; of another file of the project, where
 * the declaration is not on the stack.
 */
function placeOf(root: string, error: Error): string {
  const places = [...(error.stack ?? "").matchAll(/\(?((?:file:\/\/|\/)[^()\n]+?):(\d+):(\d+)\)?$/gm)].map(
    ([, at = "", line, column]) => {
      const file = at.startsWith("file:") ? fileURLToPath(at.replace(/\?.*$/, "")) : at;
      return { path: relative(root, file).split(sep).join("/"), at: `:${line}:${column}` };
    },
  );
  const found =
    places.find(({ path }) => path === DECLARATION_PATH) ??
    places.find(({ path }) => !path.startsWith("..") && !path.includes("node_modules/"));
  return found ? `${found.path}${found.at}` : DECLARATION_PATH;
}
