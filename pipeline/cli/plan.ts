import { Command } from "commander";
export const planCommand = new Command("plan");
