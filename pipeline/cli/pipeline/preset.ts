import { Command, InvalidArgumentError } from "commander";
import { type AddOptions, addPreset, bumpPreset, type Edit, removePreset } from "../../edit/preset.ts";
import { parseSpec } from "../../edit/spec.ts";
import { apply } from "../../edit/transaction.ts";
import type { Change } from "../../synth/project.ts";
import { typecheck } from "../../synth/typecheck.ts";
import type { Run } from "../../util/progress.ts";
import { inRun } from "../shared/run.ts";
import { project, root } from "./tree.ts";

interface AddFlags {
  readonly check?: readonly string[];
  readonly program?: string;
  readonly refuse?: Readonly<Record<string, string>>;
}

const addCommand = new Command("add")
  .description(
    "add a preset for an npm package: write its lockfile and its statement in images.ts, and run synth",
  )
  .argument("<name>", "the preset's name: users type `smolvm <name> start`")
  .argument("<package[@version]>", "the npm package (default version: the newest)")
  .option("--check <command>", "the command that checks it (default: its program with --version)", parseWords)
  .option("--program <name>", "the program that the check runs, if the package has several")
  .option("--refuse <flavor=reason>", "do not offer it on this flavor; can be repeated", parseRefusal)
  .addHelpText("after", "\nExample: npx smolvm-images preset add gemini @google/gemini-cli")
  .action(async (name: string, spec: string, { check, program, refuse }: AddFlags) => {
    const options: AddOptions = {
      ...(check && { check }),
      ...(program && { program }),
      ...(refuse && { refuses: refuse }),
    };
    const pkg = parseSpec(spec, "package");
    await edit((run) => addPreset(project(), name, pkg, options, run));
  });

const bumpCommand = new Command("bump")
  .description("change a preset to the newest version of its npm package, or to the given version")
  .argument("<name[@version]>", "a preset, from `npx smolvm-images list`")
  .addHelpText(
    "after",
    "\nExamples: npx smolvm-images preset bump codex\n          npx smolvm-images preset bump codex@0.168.0",
  )
  .action(async (text: string) => {
    const spec = parseSpec(text, "preset");
    await edit((run) => bumpPreset(project(), spec, run));
  });

const removeCommand = new Command("remove")
  .description(
    "remove a preset: its statement in images.ts, its lockfile, its listings and its generated files",
  )
  .argument("<name>", "a preset, from `npx smolvm-images list`")
  .addHelpText("after", "\nExample: npx smolvm-images preset remove gemini")
  .action(async (name: string) => {
    await edit(() => removePreset(project(), name));
  });

export const presetCommand = new Command("preset")
  .addCommand(addCommand)
  .addCommand(bumpCommand)
  .addCommand(removeCommand);

/** Computes an edit, which changes nothing, and then applies it. */
async function edit(work: (run: Run) => Promise<Edit>): Promise<void> {
  const { pending, notes } = await inRun(async (run) => {
    // An edit is refused if the declaration already has type errors.
    await typecheck(root(), project().declaration);
    const made = await work(run);
    run.signal.throwIfAborted();
    apply(root(), made.pending);
    return made;
  });
  for (const change of pending) process.stderr.write(`${verb(change)} ${change.path}\n`);
  for (const note of notes) process.stderr.write(`${note}\n`);
}

const verb = ({ before, after }: Change) =>
  before === undefined ? "wrote  " : after === undefined ? "removed" : "changed";

function parseWords(value: string): readonly string[] {
  const words = value.trim().split(/\s+/);
  if (words.some((word) => !/^[\w./:=@+-]+$/.test(word))) {
    throw new InvalidArgumentError(
      "Expected a command without special characters, such as `gemini --version`.",
    );
  }
  return words;
}

function parseRefusal(
  value: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const [, flavor, reason] = /^([a-z][a-z0-9-]*)=(\S.*)$/.exec(value) ?? [];
  if (flavor === undefined || reason === undefined) {
    throw new InvalidArgumentError(
      "Expected a flavor and a reason, such as `alpine=its native parts need glibc`.",
    );
  }
  return { ...before, [flavor]: reason };
}
