import { Command, InvalidArgumentError } from "commander";
import { initProject } from "../../edit/init.ts";
import { parseSpec } from "../../edit/spec.ts";
import { apply } from "../../edit/transaction.ts";
import { inRun } from "../shared/run.ts";

interface Flags {
  readonly repository: string;
  readonly preset: string;
}

const FIRST = { name: "codex", package: "@openai/codex" };

export const initCommand = new Command("init")
  .option(
    "--repository <owner/name>",
    "the GitHub repository of the releases; written to images.ts",
    parseRepository,
    "OWNER/NAME",
  )
  .option("--preset <name=package>", "the first preset and its npm package", `${FIRST.name}=${FIRST.package}`)
  .addHelpText("after", "\nExample: npm install --save-prod smolvm-images && npx smolvm-images init")
  .action(async ({ repository, preset }: Flags) => {
    const [name = "", spec = ""] = preset.split(/=(.*)/s);
    const first = { name, package: parseSpec(spec, "package") };
    const root = process.cwd();
    const { pending, notes } = await inRun((run) => initProject(root, { repository, preset: first }, run));
    apply(root, pending);
    for (const { path } of pending) process.stderr.write(`wrote   ${path}\n`);
    for (const note of notes) process.stderr.write(`${note}\n`);
  });

function parseRepository(text: string): string {
  if (!/^[\w.-]+\/[\w.-]+$/.test(text)) throw new InvalidArgumentError('Expected "owner/name".');
  return text;
}
