import { existsSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { CELLS_PATH, DECLARATIONS } from "../schema/cells.ts";
import { PipelineError } from "../util/error.ts";
import { upwards } from "../util/upwards.ts";

/** A directory with a declaration of images and its generated files. */
export interface Project {
  /** An absolute path. */
  readonly root: string;
  /** The path of its declaration, relative to the root: `images.ts`. */
  readonly declaration: string;
}

/**
 * Finds the project of a directory: the nearest directory, upwards from it, with a package.json and a declaration, or with
 * `out/cells.json`. If there is none, returns the directory itself.
 * @param app the file of the declaration (`--app`); its project is the nearest directory upwards with a package.json
 * @throws PipelineError when the file `app` does not exist, or is not TypeScript
 */
export function findProject(directory: string, app?: string): Project {
  if (app !== undefined) return projectOf(resolve(directory, app), app);
  for (const root of upwards(directory)) {
    if (existsSync(join(root, "package.json"))) {
      const declaration = DECLARATIONS.find((path) => existsSync(join(root, path)));
      if (declaration) return { root, declaration };
    }
    if (existsSync(join(root, CELLS_PATH))) return { root, declaration: DECLARATIONS[0] };
  }
  return { root: directory, declaration: DECLARATIONS[0] };
}

function projectOf(file: string, app: string): Project {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new PipelineError(`--app ${app}: there is no such file`, {
      fix: "name the file that declares the images",
    });
  }
  if (!/\.[cm]?ts$/.test(file)) {
    throw new PipelineError(`--app ${app} is not a file of TypeScript`, {
      fix: "name the file that declares the images, such as images.ts",
    });
  }
  const root = upwards(dirname(file)).find((each) => existsSync(join(each, "package.json"))) ?? dirname(file);
  return { root, declaration: relative(root, file).split(sep).join("/") };
}
