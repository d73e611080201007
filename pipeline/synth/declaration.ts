import { existsSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { App } from "../constructs/app.ts";
import { PipelineError } from "../util/error.ts";
import type { Project } from "./find-project.ts";
import { importTypeScript } from "./import-typescript.ts";
import { typecheck } from "./typecheck.ts";

/**
 * Loads a project's function `declareImages`. Typechecks the declaration before it runs.
 * @throws PipelineError that says what is wrong with the declaration, and in which line
 */
export async function loadDeclaration(project: Project): Promise<(app: App) => Promise<void>> {
  const { root, declaration } = project;
  const file = join(root, declaration);
  if (!existsSync(file)) {
    throw new PipelineError(`there is no images.ts in ${root} or above`, {
      fix: "run this in a project, name the file with --app FILE, or make a project with `npx smolvm-images init`",
    });
  }
  await typecheck(root, declaration);
  const { declareImages } = await located(project, () => importTypeScript(pathToFileURL(file).href));
  if (typeof declareImages !== "function") {
    throw new PipelineError(`${declaration} exports no function declareImages(app: App)`);
  }
  return (app) => located(project, async () => await declareImages(app));
}

/** Runs `work`. Its errors become one line that starts with the place in the project where they were thrown. */
async function located<T>(project: Project, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof Error)) throw new PipelineError(`${project.declaration}: threw ${String(cause)}`);
    const plain = cause instanceof PipelineError || cause.name === "Error";
    const reason = plain ? cause.message : `${cause.name}: ${cause.message}`;
    const details = cause instanceof PipelineError ? cause.details : [];
    const error = new PipelineError(`${placeOf(project, cause)}: ${reason.replaceAll(/\s*\n\s*/g, " ")}`, {
      details,
      cause,
    });
    // --debug shows where it was thrown, not where it was caught.
    if (cause.stack !== undefined) error.stack = cause.stack;
    throw error;
  }
}

/**
 * The line of the declaration that an error comes from, `images.ts:98:5`. If the declaration is not on the stack, the line
 * of another file of the project.
 */
function placeOf({ root, declaration }: Project, error: Error): string {
  const places = [...(error.stack ?? "").matchAll(/\(?((?:file:\/\/|\/)[^()\n]+?):(\d+):(\d+)\)?$/gm)].map(
    ([, at = "", line, column]) => {
      const file = at.startsWith("file:") ? fileURLToPath(at.replace(/\?.*$/, "")) : at;
      return { path: relative(root, file).split(sep).join("/"), at: `:${line}:${column}` };
    },
  );
  const found =
    places.find(({ path }) => path === declaration) ??
    places.find(({ path }) => !path.startsWith("..") && !path.includes("node_modules/"));
  return found ? `${found.path}${found.at}` : declaration;
}
