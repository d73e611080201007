import { Command } from "commander";
import { machineNamed, machines } from "../../client/machines/registry.ts";
import { stopMachine } from "../../client/machines/stop.ts";
import { inRun } from "../shared/run.ts";
import { table } from "../shared/table.ts";
import { connectTo } from "./ssh.ts";

export const psCommand = new Command("ps")
  .option("--json", "print JSON")
  .action(async ({ json }: { json?: true }) => {
    const all = await machines();
    if (json) {
      process.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
      return;
    }
    const rows = all.map(({ name, image, flavor, vmm, host, port, started_at: since }) => [
      ...[name, image, flavor, vmm, `${host}:${port}`, since.slice(0, 19).replace("T", " ")],
    ]);
    process.stdout.write(table(["name", "image", "flavor", "vmm", "ssh", "since (UTC)"], rows));
    process.stderr.write(`${all.length} running machines\n`);
  });

export const sshCommand = new Command("ssh")
  .argument("<name>", "the machine's name, from `smolvm ps`")
  .argument("[command...]", "after `--`: the command to run (default: a shell)")
  .action(async (name: string, command: string[]) => {
    process.exitCode = await connectTo(await machineNamed(name), command);
  });

export const stopCommand = new Command("stop")
  .argument("<name...>", "the machines' names, from `smolvm ps`")
  .action(async (names: string[]) => {
    await inRun(async (run) => {
      for (const name of names) {
        run.progress.step(`power off ${name}`);
        await stopMachine(await machineNamed(name), run);
      }
    });
  });
