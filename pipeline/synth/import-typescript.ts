import { register } from "tsx/esm/api";

/** Who runs this from its sources has taken care of TypeScript already. */
const isCompiled = !import.meta.url.endsWith(".ts");
let registered = false;

/** Imports a module that is written in TypeScript, which Node.js 20 does not read. */
export async function importTypeScript(url: string): Promise<Record<string, unknown>> {
  if (isCompiled && !registered) register();
  registered = true;
  return (await import(url)) as Record<string, unknown>;
}

/** The address of a module of this package, given as if it were a source: compiled, its name ends in `.js`. */
export const moduleUrl = (source: string, from: string): string =>
  new URL(isCompiled ? source.replace(/\.ts$/, ".js") : source, from).href;
