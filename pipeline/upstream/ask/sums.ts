import { SHA256 } from "../../util/hash.ts";

/** The lines of `sha256sum`: the sha256 of each file, by its name. */
export function sumsIn(text: string): Map<string, string> {
  const lines = text.split("\n").map((line) => line.split(/ [ *]/));
  return new Map(
    lines.flatMap(([sha256 = "", name]) =>
      SHA256.test(sha256) && name !== undefined ? [[name.trim(), sha256]] : [],
    ),
  );
}
