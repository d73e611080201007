import { Command, Option } from "commander";
import { guardOutput } from "../shared/guard.ts";
import { watchOutput } from "../shared/output.ts";
import { runProgram } from "../shared/program.ts";
import { takeToken } from "../shared/token.ts";
import { commandsOf } from "../shared/verbs.ts";
import { useApp } from "./tree.ts";
import { VERBS } from "./verbs.ts";

const program = new Command("smolvm-images").description(
  "Build and publish the root file systems in which SmolVM runs coding agents",
);
takeToken();
guardOutput();
watchOutput();
const words = process.argv.slice(2);
await runProgram(program, await commandsOf(VERBS, words), words, {
  options: [
    new Option(
      "--app <file>",
      "the file that declares the images (default: images.ts or pipeline/images.ts, here or in a directory above)",
    ),
  ],
  // The workflow passes its inputs, which are empty unless a person fills them in.
  mayBeEmpty: ["--presets", "--flavors", "--archs", "--withhold"],
  use: ({ app }) => useApp(app as string | undefined),
});
