import { Command } from "commander";
import { changes, unifiedDiff } from "../../synth/project.ts";
import { root, synthProject } from "./tree.ts";

export const diffCommand = new Command("diff").action(async () => {
  const pending = changes(root(), await synthProject());
  process.stdout.write(unifiedDiff(pending));
  process.stderr.write(
    pending.length === 0
      ? "all generated files are up to date\n"
      : `${pending.length} generated files would change\n`,
  );
});
