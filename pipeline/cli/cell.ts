import { Command } from "commander";
export const cellCommand = new Command("cell");
