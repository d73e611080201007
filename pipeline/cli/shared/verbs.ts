import { Command } from "commander";

/** A command of a program: its description in one line, and a function that loads it. */
export interface Verb {
  readonly description: string;
  readonly load: () => Promise<Command>;
}

/**
 * The commands of a program. Only the command on the command line is loaded, because GitHub's and Docker's clients take
 * most of a second to load. The help needs only the names and descriptions of the others.
 */
export async function commandsOf(
  verbs: Readonly<Record<string, Verb>>,
  [first, second]: readonly string[],
): Promise<Command[]> {
  const asked = first === "help" ? second : first;
  return await Promise.all(
    Object.entries(verbs).map(async ([name, { description, load }]) =>
      (name === asked ? await load() : new Command(name)).description(description),
    ),
  );
}
