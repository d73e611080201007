#!/usr/bin/env -S npx tsx
import "../shared/node-version.ts";
import { Command } from "commander";
import { watchOutput } from "../shared/output.ts";
import { runProgram } from "../shared/program.ts";

/** A command loads what it needs alone: GitHub's client and Docker's take most of a second. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  synth: async () => (await import("./synth.ts")).synthCommand,
  diff: async () => (await import("./diff.ts")).diffCommand,
  list: async () => (await import("./list.ts")).listCommand,
  plan: async () => (await import("./plan.ts")).planCommand,
  cell: async () => (await import("./cell.ts")).cellCommand,
  release: async () => (await import("./release.ts")).releaseCommand,
  repro: async () => (await import("./repro.ts")).reproCommand,
  doctor: async () => (await import("./doctor.ts")).doctorCommand,
  preset: async () => (await import("./preset.ts")).presetCommand,
};

const program = new Command("smolvm-images").description(
  "Build the root file systems that SmolVM runs coding agents in",
);
watchOutput();
const words = process.argv.slice(2);
// Help and errors name all of them.
const asked = Object.keys(COMMANDS).filter((name) => name === words[0]);
const wanted = asked.length > 0 ? asked : Object.keys(COMMANDS);
const commands = await Promise.all(wanted.map((name) => COMMANDS[name]!()));
await runProgram(program, { program: "npm run", separator: "--" }, commands, words);
