import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { x } from "tinyexec";
import { PipelineError } from "../util/error.ts";

/**
 * The compiler options for a declaration. They replace the project's tsconfig.json, from which `tsx` reads only the target
 * of these. All installed `@types` packages are included, as in an editor.
 */
const OPTIONS = [
  ...["--noEmit", "--pretty", "false", "--ignoreConfig", "--skipLibCheck", "--strict", "--types", "*"],
  ...["--target", "ES2023", "--lib", "ES2023", "--module", "NodeNext", "--allowImportingTsExtensions"],
];

/** `pipeline/images.ts(98,5): error TS2561: …` and the indented lines below it. */
const FINDING = /^(?:(.+)\((\d+),(\d+)\): )?error TS\d+: (.*(?:\n +.*)*)$/gm;

/**
 * Typechecks a declaration and its imports with the TypeScript that is installed with this package.
 * Measured: 0.4 s of CPU time in a process of its own.
 * @param file its path from `root`
 * @throws PipelineError with each error of TypeScript: file, line, column, reason
 */
export async function typecheck(root: string, file: string): Promise<void> {
  const { exitCode, stdout, stderr } = await x(process.execPath, [compiler(), ...OPTIONS, file], {
    nodeOptions: { cwd: root },
  });
  if (exitCode === 0) return;
  const errors = [...stdout.matchAll(FINDING)].map(([, path, line, column, reason = ""]) => {
    const where = path === undefined ? file : `${path}:${line}:${column}`;
    return `${where}: ${reason.replaceAll(/\s*\n\s*/g, " ")}`;
  });
  if (errors.length === 0) {
    // A compiler that crashes prints a stack trace below its reason.
    const [reason] = (stderr || stdout).trim().split("\n");
    throw new PipelineError(`TypeScript cannot check ${file}: ${reason || `it ended with ${exitCode}`}`);
  }
  if (errors.length === 1) throw new PipelineError(errors[0]!);
  throw new PipelineError(`${file} has ${errors.length} errors of TypeScript; no file was written`, {
    details: errors.map((error) => `- ${error}`),
  });
}

function compiler(): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
  } catch (cause) {
    throw new PipelineError("typescript is not installed, which checks images.ts", {
      ...{ code: "program-missing", fix: "run `npm ci`", cause },
    });
  }
}
