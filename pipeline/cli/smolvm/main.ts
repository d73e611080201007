import { Command } from "commander";
import { guardOutput } from "../shared/guard.ts";
import { watchOutput } from "../shared/output.ts";
import { runProgram } from "../shared/program.ts";
import { takeToken } from "../shared/token.ts";
import { commandsOf, startFirst } from "../shared/verbs.ts";
import { VERBS } from "./verbs.ts";

const program = new Command("smolvm").description("Start microVMs for coding agents from ready-made images");

takeToken();
guardOutput();
watchOutput();
const words = startFirst(VERBS, process.argv.slice(2));
await runProgram(program, await commandsOf(VERBS, words), words);
