import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { x } from "tinyexec";
import { PipelineError } from "../util/error.ts";

/**
 * What is asked of a declaration, whatever its project's own tsconfig.json says: `tsx` reads none of these from there
 * but the target. Types of all `@types` packages that are installed are known, as in an editor.
 */
const OPTIONS = [
  ...["--noEmit", "--pretty", "false", "--ignoreConfig", "--skipLibCheck", "--strict", "--types", "*"],
  ...["--target", "ES2023", "--lib", "ES2023", "--module", "NodeNext", "--allowImportingTsExtensions"],
];

/** `pipeline/images.ts(98,5): error TS2561: …`, and lines below it that begin with spaces. */
const FINDING = /^(?:(.+)\((\d+),(\d+)\): )?error TS\d+: (.*(?:\n +.*)*)$/gm;

/**
 * Typechecks a declaration and what it imports with the TypeScript that this package has installed.
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
    throw new PipelineError(
      `TypeScript cannot check ${file}: ${(stderr || stdout).trim() || `it ended with ${exitCode}`}`,
    );
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
    throw new PipelineError("typescript is not installed, and the tree is checked with it: run `npm ci`", {
      cause,
    });
  }
}
