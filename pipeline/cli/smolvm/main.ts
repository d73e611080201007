import { Command } from "commander";
import { watchOutput } from "../shared/output.ts";
import { runProgram } from "../shared/program.ts";
import { imagesCommand, pruneCommand, pullCommand } from "./images.ts";
import { createCommand, startCommand } from "./machine.ts";
import { psCommand, sshCommand, stopCommand } from "./machines.ts";

const program = new Command("smolvm").description("Start microVMs for coding agents from ready-made images");
const commands = [
  ...[createCommand, startCommand, psCommand, sshCommand, stopCommand],
  ...[pullCommand, imagesCommand, pruneCommand],
];

/** `smolvm codex start …` is `smolvm start codex …`: the words are in the order in which one says them. */
const words = process.argv.slice(2);
const [preset, verb, ...rest] = words;
const isPresetFirst =
  verb === "start" && preset !== undefined && !preset.startsWith("-") && preset !== "start";
watchOutput();
await runProgram(
  program,
  { program: "smolvm" },
  commands,
  isPresetFirst ? ["start", preset, ...rest] : words,
);
