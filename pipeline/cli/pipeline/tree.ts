import { findProject, type Project } from "../../synth/find-project.ts";
import type { Output } from "../../synth/synth.ts";

let asked: string | undefined;

/** Sets the declaration file that the user gives with `--app`. */
export function useApp(app: string | undefined): void {
  asked = app;
}

/** The project of `--app`, or else of the current directory. @throws PipelineError if there is none */
export const project = (): Project => findProject(process.cwd(), asked);

/** The absolute path of the project's root. */
export const root = (): string => project().root;

/** The generated files of the project. @throws PipelineError that says what is wrong with the declaration */
export async function synthProject(): Promise<Output> {
  const { loadDeclaration } = await import("../../synth/declaration.ts");
  // TypeScript checks the declaration in another process; the modules that run it are loaded at the same time.
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
