import { register } from "tsx/esm/api";

/** Whether this is compiled JavaScript. If not, `tsx` already runs the program and imports TypeScript. */
const isCompiled = !import.meta.url.endsWith(".ts");
let registered = false;

/** Imports a TypeScript module, which Node.js 20 cannot do itself. */
export async function importTypeScript(url: string): Promise<Record<string, unknown>> {
  if (isCompiled && !registered) register();
  registered = true;
  return (await import(url)) as Record<string, unknown>;
}

/** The URL of a module of this package. @param source its relative path as TypeScript source; the compiled name ends in `.js` */
export const moduleUrl = (source: string, from: string): string =>
  new URL(isCompiled ? source.replace(/\.ts$/, ".js") : source, from).href;
