import { Command } from "commander";

/** A command of a program: what its help says in one line, and how it is loaded. */
export interface Verb {
  readonly description: string;
  readonly load: () => Promise<Command>;
}

/**
 * The commands of a program, of which only the one that was asked for is loaded: GitHub's client and Docker's alone
 * take most of a second. Of the others, help needs the name and the description.
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
