import { Command } from "commander";

/** A command of a program: its description in one line, and a function that loads it. */
export interface Verb {
  readonly description: string;
  readonly load: () => Promise<Command>;
}

/**
 * The commands of a program. Only those that the command line names are loaded, because GitHub's and Docker's clients take
 * most of a second to load. The help needs only the names and descriptions of the others.
 * @param words the command line; options may stand before the command
 */
export async function commandsOf(
  verbs: Readonly<Record<string, Verb>>,
  words: readonly string[],
): Promise<Command[]> {
  const end = words.indexOf("--");
  const named = new Set(end < 0 ? words : words.slice(0, end));
  return await Promise.all(
    Object.entries(verbs).map(async ([name, { description, load }]) =>
      (named.has(name) ? await load() : new Command(name)).description(description),
    ),
  );
}

/**
 * Rewrites `codex start …`, the form that users type, to `start codex …`. Options may stand before both.
 * @param verbs the program's commands; a word that is one of them, or `help`, is not the name of a preset
 */
export function startFirst(
  verbs: Readonly<Record<string, Verb>>,
  words: readonly string[],
): readonly string[] {
  const at = words.findIndex((word) => !word.startsWith("-"));
  const [preset, verb] = words.slice(at);
  if (at < 0 || verb !== "start" || preset === undefined) return words;
  if (preset === "help" || Object.hasOwn(verbs, preset)) return words;
  return words.toSpliced(at, 2, verb, preset);
}
