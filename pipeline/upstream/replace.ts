import { posix } from "node:path";
import { TOOLS_LOCK } from "../constructs/base-rootfs.ts";
import { PACKING_FILES } from "../schema/initramfs/files.ts";
import { PipelineError } from "../util/error.ts";
import type { Declared, Texts } from "./pin.ts";

/** A text and the one that takes its place. */
export interface Replacement {
  /** The text with everything that makes it unmistakable: `"24.21.0"` with its quotes, `name@sha256:…` whole. */
  readonly find: string;
  readonly by: string;
  /**
   * - `once`: it must be there exactly once
   * - `all`: it cannot stand for anything else, so each one is replaced; there must be at least one
   * - `mention`: a comment may repeat it
   * @default once
   */
  readonly times?: "once" | "all" | "mention";
}

export const TOOLS_DOCKERFILE = posix.join(posix.dirname(TOOLS_LOCK), "Dockerfile");
/** The tool containers. */
const TOOLS_DOCKERFILES = [TOOLS_DOCKERFILE, PACKING_FILES[0]];

/** What could end a literal or a comment, or begin code within one. Every line break and control character is among them. */
const CODE = /["'`\\$\p{Cc}\u2028\u2029]|\*\//gu;

/** `from "./pins.ts"`. */
const IMPORTED = /\bfrom "(\.\.?\/[^"]+\.ts)"/g;

/** The files of the project in which a maintainer writes pins: the declaration, what it imports, the tool containers. */
export function placesOf({ declaration, own }: Declared): string[] {
  const places: string[] = [];
  const add = (path: string) => {
    const text = own(path);
    if (text === undefined || places.includes(path)) return;
    places.push(path);
    for (const [, from] of text.matchAll(IMPORTED)) {
      const other = posix.join(posix.dirname(path), from!);
      // The constructs of this package's own checkout are code.
      if (!other.startsWith("..") && !/(^|\/)constructs\//.test(other)) add(other);
    }
  };
  add(declaration);
  places.push(...TOOLS_DOCKERFILES.filter((path) => own(path) !== undefined));
  return places;
}

/**
 * Replaces texts in the files where pins are written.
 * @param places paths of files. @default `placesOf`
 * @returns the files that change
 * @throws PipelineError when a text is not found as often as it must be, or when a new one could become code: the declaration
 * is a program, and servers say what is newest
 */
export function replaced(
  declared: Declared,
  replacements: readonly Replacement[],
  places: readonly string[] = placesOf(declared),
): Texts {
  const before = new Map(places.map((path) => [path, declared.own(path) ?? ""]));
  const texts = new Map(before);
  for (const { find, by, times = "once" } of replacements) {
    // A text may have the quotes that it replaces, and no other ones.
    if (codeIn(by) !== codeIn(find)) {
      throw new PipelineError(
        `${quoted(by)} instead of ${quoted(find)} could become code; nothing was changed`,
        {
          code: "upstream-unknown",
          fix: "find out why its source answers this before anybody uses it",
        },
      );
    }
    const found = [...texts.values()].reduce((sum, text) => sum + text.split(find).length - 1, 0);
    const isRight = times === "once" ? found === 1 : times === "all" ? found > 0 : true;
    if (!isRight) {
      const where = found === 0 ? "is not there" : `is there ${found} times, not once`;
      throw new PipelineError(`${places.join(", ")}: ${quoted(find)} ${where}`, {
        code: "pin-not-found",
        fix: `write the pin as one literal, or change it by hand to ${quoted(by)}`,
      });
    }
    for (const [path, text] of texts)
      texts.set(
        path,
        text.replaceAll(find, () => by),
      );
  }
  return new Map([...texts].filter(([path, text]) => text !== before.get(path)));
}

const codeIn = (text: string): string => (text.match(CODE) ?? []).join("");
const quoted = (text: string) => `\`${text}\``;
