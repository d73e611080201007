import { PipelineError } from "../util/error.ts";

/** A name with a version: `codex`, `codex@1.2.3`, `@scope/package@next`. */
export interface Spec {
  readonly name: string;
  /** An exact version or a tag of the registry; undefined for the tag `latest`. */
  readonly version: string | undefined;
}

const NAME = /^(@[a-z0-9][a-z0-9._~-]*\/)?[a-z0-9][a-z0-9._~-]*$/;
/** No address, file or range, because npm would not lock those by name and version. */
const VERSION = /^(v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?|[a-z][a-z0-9-]*)$/;

/** Whether this is the name of an npm package; it can have a scope. Old ones have capital letters. */
export const isPackageName = (text: string): boolean => NAME.test(text.toLowerCase());

/** Parses `NAME` or `NAME@VERSION`; NAME can have a scope. @throws PipelineError when the text has another form */
export function parseSpec(text: string, kind: "package" | "preset"): Spec {
  const at = text.indexOf("@", 1);
  const name = at < 0 ? text : text.slice(0, at);
  const version = at < 0 ? undefined : text.slice(at + 1);
  if (!NAME.test(name) || (version !== undefined && !VERSION.test(version))) {
    const example = kind === "package" ? "@google/gemini-cli" : "codex";
    throw new PipelineError(
      `"${text}" is not the name of a ${kind}, alone or with an exact version or a tag`,
      { fix: `write it like ${example}, ${example}@1.2.3 or ${example}@latest` },
    );
  }
  return { name, version };
}
