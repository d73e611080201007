import { findProject, type Project } from "../../synth/find-project.ts";
import type { Output } from "../../synth/synth.ts";

let asked: string | undefined;

/** Takes the declaration that the user names (`--app`), for whatever command follows. */
export function useApp(app: string | undefined): void {
  asked = app;
}

/** The project that the command is about: that of `--app`, or of the present directory. @throws PipelineError */
export const project = (): Project => findProject(process.cwd(), asked);

/** Its root, absolute. */
export const root = (): string => project().root;

/** The files that the project's own tree synthesises to. @throws PipelineError that says what is wrong with the tree */
export async function synthProject(): Promise<Output> {
  const { loadDeclaration } = await import("../../synth/declaration.ts");
  // While TypeScript checks the declaration in a process of its own, what runs it afterwards is loaded.
  const [declare, { App }, { filesIn }, { synth }] = await Promise.all([
    loadDeclaration(project()),
    import("../../constructs/app.ts"),
    import("../../synth/project.ts"),
    import("../../synth/synth.ts"),
  ]);
  const app = new App({ files: filesIn(root()) });
  await declare(app);
  return synth(app);
}
