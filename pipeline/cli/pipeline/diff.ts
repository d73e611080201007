import { Command } from "commander";
import { changes, unifiedDiff } from "../../synth/project.ts";
import { root, synthProject } from "./tree.ts";

export const diffCommand = new Command("diff").action(async () => {
  const pending = changes(root(), await synthProject());
  process.stdout.write(unifiedDiff(pending));
  process.stderr.write(pending.length === 0 ? "nothing to change\n" : `${pending.length} files to change\n`);
});
