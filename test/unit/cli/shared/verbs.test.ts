import { Command, Option } from "commander";
import { afterEach, describe, expect, it, vi } from "vitest";
import { runProgram } from "../../../../pipeline/cli/shared/program.ts";
import { commandsOf, startFirst, type Verb } from "../../../../pipeline/cli/shared/verbs.ts";

afterEach(() => {
  process.exitCode = undefined;
  vi.restoreAllMocks();
});

/** What a program has loaded and run. */
async function program(words: readonly string[]): Promise<string[]> {
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
  const events: string[] = [];
  const verb = (name: string): Verb => ({
    description: name,
    load: async () => {
      events.push(`load ${name}`);
      return new Command(name)
        .option("--check")
        .argument("[words...]")
        .action((given: string[]) => void events.push(["run", name, ...given].join(" ")));
    },
  });
  const verbs = { start: verb("start"), list: verb("list"), plan: verb("plan") };
  const options = [new Option("--app <file>", "the declaration")];
  const line = startFirst(verbs, words);
  await runProgram(new Command("tool"), await commandsOf(verbs, line), line, { options });
  return events;
}

describe("a command", () => {
  it.each([
    [["list"]],
    [["--debug", "list"]],
    [["--app", "images.ts", "list", "--check"]],
    [["--app=images.ts", "--debug", "list"]],
  ])("is loaded, as the only one, and run: %j", async (words) => {
    expect(await program(words)).toEqual(["load list", "run list"]);
    expect(process.exitCode).toBeUndefined();
  });

  it("is loaded for its help", async () => {
    expect(await program(["help", "plan"])).toEqual(["load plan"]);
  });

  it("is not loaded for a word of the command that is run in a machine", async () => {
    expect(await program(["start", "codex", "--", "list"])).toEqual(["load start", "run start codex list"]);
  });
});

describe("a preset", () => {
  it.each([[["codex", "start"]], [["--debug", "codex", "start"]], [["start", "codex"]]])(
    "is started also where it stands before the command: %j",
    async (words) => {
      expect(await program(words)).toEqual(["load start", "run start codex"]);
    },
  );

  it.each([[["help", "start"]], [["list", "start"]], [["--debug"]], [["codex"]], [[]]])(
    "is none of the program's own words: %j",
    (words) => {
      const none = async () => expect.fail("nothing is loaded here");
      const verbs = { start: { description: "", load: none }, list: { description: "", load: none } };
      expect(startFirst(verbs, words)).toEqual(words);
    },
  );
});
