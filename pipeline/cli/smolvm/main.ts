import { Command } from "commander";
import { guardOutput } from "../shared/guard.ts";
import { watchOutput } from "../shared/output.ts";
import { runProgram } from "../shared/program.ts";
import { takeToken } from "../shared/token.ts";
import { commandsOf } from "../shared/verbs.ts";
import { VERBS } from "./verbs.ts";

const program = new Command("smolvm").description("Start microVMs for coding agents from ready-made images");

/** Rewrites `smolvm codex start …`, the form that users type, to `smolvm start codex …`. */
function inOrder(words: readonly string[]): readonly string[] {
  const [preset, verb, ...rest] = words;
  if (verb !== "start" || preset === undefined || preset.startsWith("-") || preset === "start") return words;
  return ["start", preset, ...rest];
}

takeToken();
guardOutput();
watchOutput();
const words = inOrder(process.argv.slice(2));
await runProgram(program, await commandsOf(VERBS, words), words);
