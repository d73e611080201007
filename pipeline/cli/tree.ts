import { resolve } from "node:path";
import { App } from "../constructs/app.ts";
import { declareImages } from "../images.ts";
import { filesIn } from "../synth/project.ts";
import { type Output, synth } from "../synth/synth.ts";

/** The project's root: where npm runs its scripts. */
export const root = () => resolve(process.cwd());

/** The files that the project's own tree synthesises to. */
export function synthProject(): Output {
  const app = new App({ files: filesIn(root()) });
  declareImages(app);
  return synth(app);
}
