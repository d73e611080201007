import { resolve } from "node:path";
import type { Output } from "../../synth/synth.ts";

/** The project's root: where npm runs its scripts. */
export const root = () => resolve(process.cwd());

/** The files that the project's own tree synthesises to. @throws PipelineError that says what is wrong with the tree */
export async function synthProject(): Promise<Output> {
  const { loadDeclaration } = await import("../../synth/declaration.ts");
  // While TypeScript checks the declaration in a process of its own, what runs it afterwards is loaded.
  const [declare, { App }, { filesIn }, { synth }] = await Promise.all([
    loadDeclaration(root()),
    import("../../constructs/app.ts"),
    import("../../synth/project.ts"),
    import("../../synth/synth.ts"),
  ]);
  const app = new App({ files: filesIn(root()) });
  await declare(app);
  return synth(app);
}
