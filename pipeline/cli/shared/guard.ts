import { redact } from "./token.ts";

/** Whether the text that is being written is a workflow command of our own. */
let isCommand = false;

/**
 * Guards stdout and stderr: no text holds the token, and inside GitHub Actions no line of data (a console, a package's
 * name) is taken for a workflow command. The runner looks for `::` at the start of a line, after white space (for .NET, the
 * control character U+0085 too), and for `##[` anywhere in it.
 */
export function guardOutput(env: NodeJS.ProcessEnv = process.env): void {
  const inActions = Boolean(env.GITHUB_ACTIONS);
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream) as (...all: unknown[]) => boolean;
    stream.write = (chunk: unknown, ...rest: unknown[]) => {
      if (typeof chunk !== "string") return write(chunk, ...rest);
      const text = redact(chunk);
      return write(inActions && !isCommand ? asData(text) : text, ...rest);
    };
  }
}

/** A text without anything that the runner of GitHub Actions takes for a command. It stays readable. */
export const asData = (text: string): string =>
  text.replaceAll("##[", "## [").replace(/^([\s\u0085]*):(?=:)/gm, "$1: ");

/** Writes a workflow command: `::warning::…`. Its value is escaped, and stays on its line. */
export function writeCommand(stream: NodeJS.WritableStream, command: string, value = ""): void {
  const escaped = value.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  isCommand = true;
  try {
    stream.write(`::${command}::${escaped}\n`);
  } finally {
    isCommand = false;
  }
}
