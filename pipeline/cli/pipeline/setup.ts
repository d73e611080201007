import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { Command } from "commander";
import { PipelineError } from "../../util/error.ts";
import { PACKAGE } from "../../util/package.ts";

export const setupCommand = new Command("setup").action(() => {
  const { status, error } = spawnSync("bash", [join(PACKAGE, "scripts/setup.sh")], { stdio: "inherit" });
  if (error)
    throw new PipelineError(`bash cannot be run (${error.message})`, {
      ...{ code: "program-missing", fix: "install it", cause: error },
    });
  process.exitCode = status ?? 2;
});
