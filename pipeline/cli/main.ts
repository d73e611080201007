#!/usr/bin/env -S npx tsx
import "./node-version.ts";
import { Command } from "commander";
import { cellCommand } from "./cell.ts";
import { diffCommand } from "./diff.ts";
import { doctorCommand } from "./doctor.ts";
import { listCommand } from "./list.ts";
import { watchOutput } from "./output.ts";
import { planCommand } from "./plan.ts";
import { presetCommand } from "./preset.ts";
import { runProgram } from "./program.ts";
import { releaseCommand } from "./release.ts";
import { reproCommand } from "./repro.ts";
import { synthCommand } from "./synth.ts";

const program = new Command("smolvm-images").description(
  "Build the root file systems that SmolVM runs coding agents in",
);
const commands = [
  ...[synthCommand, diffCommand, listCommand, planCommand],
  ...[cellCommand, releaseCommand, reproCommand, doctorCommand, presetCommand],
];
watchOutput();
await runProgram(program, { program: "npm run", separator: "--" }, commands, process.argv.slice(2));
