import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/** Compiles the package before the tests, which run its programs as they are shipped; again when a file has changed. */
export default function build(project: TestProject): void {
  const compile = () => execFileSync("npm", ["run", "-s", "build"], { cwd: REPOSITORY, stdio: "inherit" });
  compile();
  project.onTestsRerun(async () => void compile());
}
