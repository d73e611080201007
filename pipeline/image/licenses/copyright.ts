import { parseLicenses } from "./expression.ts";
import { distinct, type License } from "./license.ts";
import { plain, recogniseNotices, recogniseText } from "./notices.ts";

/** A paragraph's fields by lower-case name; of a folded one, the lines after the first keep their line ends. */
type Paragraph = ReadonlyMap<string, string>;

/**
 * The licences of a Debian package, from the text of its `copyright` file. A machine-readable file
 * (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/) names the licences of the source package's files;
 * those of the packaging (`debian/*`) count only where nothing else is named. Of any other file, only the notices and texts
 * that are certain are recognised; then the list may be incomplete.
 */
export function copyrightLicenses(copyright: string): License[] {
  const paragraphs = parseParagraphs(copyright);
  const isMachineReadable = paragraphs[0]?.has("format") || paragraphs[0]?.has("format-specification");
  const declared = isMachineReadable ? declaredLicenses(paragraphs) : [];
  if (declared.length > 0) return declared;
  const { spdx, names } = recogniseNotices(copyright);
  return distinct([...spdx.map((id) => ({ spdx: id })), ...names.map((name) => ({ name }))]);
}

function declaredLicenses(paragraphs: readonly Paragraph[]): License[] {
  const texts = new Map<string, string>();
  const [ofFiles, ofPackaging, standalone]: [string[], string[], string[]] = [[], [], []];
  for (const [index, paragraph] of paragraphs.entries()) {
    const [synopsis = "", ...text] = paragraph.get("license")?.split("\n") ?? [];
    if (!synopsis) continue;
    if (text.join("").trim() && !texts.has(synopsis.toLowerCase()))
      texts.set(synopsis.toLowerCase(), plain(text.join("\n")));
    const files = paragraph.get("files");
    if (files !== undefined)
      (files.trim().split(/\s+/).every(isPackaging) ? ofPackaging : ofFiles).push(synopsis);
    else if (index > 0) standalone.push(synopsis);
  }
  // Some files have no `Files` fields at all.
  const synopses = [ofFiles, ofPackaging, standalone].find(({ length }) => length > 0) ?? [];
  const context = { textOf: (name: string) => texts.get(name.toLowerCase()), recognise: recogniseText };
  return distinct([...new Set(synopses)].flatMap((synopsis) => parseLicenses(synopsis, context)));
}

const isPackaging = (pattern: string) => pattern.startsWith("debian/");

/** The paragraphs of a file in Debian's control format. A line that begins with a space continues a field. */
function parseParagraphs(text: string): Paragraph[] {
  return text
    .replace(/^\uFEFF/, "")
    .replace(/\r\n?/g, "\n")
    .split(/\n(?:[ \t]*\n)+/)
    .map((paragraph) => {
      const fields = new Map<string, string>();
      let last: string | undefined;
      for (const line of paragraph.split("\n")) {
        const [, name, value] = /^([^\s:#][^\s:]*):(.*)$/.exec(line) ?? [];
        if (name !== undefined) {
          last = name.toLowerCase();
          if (!fields.has(last)) fields.set(last, value!.trim());
        } else if (last && /^[ \t]/.test(line)) fields.set(last, `${fields.get(last)}\n${line}`);
        else if (!line.startsWith("#")) last = undefined;
      }
      return fields;
    })
    .filter(({ size }) => size > 0);
}
