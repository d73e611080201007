/**
 * Licences by the sentences of their texts and notices. Only texts that cannot be another licence's are recognised; every
 * condition between the known beginning and the known end must be a known one.
 */

/** A text in one line, without the marks of comments, and with plain quotes. */
export const plain = (text: string) =>
  text
    .replace(/^[ \t]*(?:[*#;%]|\/\/|dnl\b|\.(?=\s*$))+/gm, "")
    .replace(/[“”]|``|''/g, '"')
    .replace(/[‘’`]/g, "'")
    .replace(/\s+/g, " ");

const GNU: Readonly<Record<string, string>> = { "": "GPL", lesser: "LGPL", library: "LGPL", affero: "AGPL" };

/**
 * `GNU … License as published by the Free Software Foundation; either version 2 of the License, or (at your option) any later
 * version`. Without the foundation it may be a sentence that says where the text of a version is, unless it adds "or later".
 */
const GNU_NOTICE =
  /GNU (?:(Lesser|Library|Affero) )?General Public License(?: \(\w+\))?,?( as published by the Free Software Foundation)?[;:,.]? ?\(?(?:either )?(?:version |v)(\d)(?:\.(\d))?(?: of the license| dated \w+,? \d{4})?,? ?(\(?or,? ?\(?,?(?:at your option)?\)?,? ?(?:any )?later)?/gi;
const GFDL_NOTICE =
  /under the terms of the GNU Free Documentation License,? version (\d\.\d)(?: of the license)?,? ?(or,? ?(?:\(?at your option\)?,? )?any later)?/gi;
const RUNTIME_EXCEPTION = /^(?: version)?\)? with version 3\.1 of the GCC Runtime Library Exception/i;

function* gnuNotices(text: string): Generator<string> {
  for (const match of text.matchAll(GNU_NOTICE)) {
    const [whole, kind = "", published, major, minor = "0", later] = match;
    const rest = text.slice(match.index + whole.length, match.index + whole.length + 80);
    // `version 2 or version 3` is neither; nor is a later one that is said in other words.
    if (!later && (!published || /^,? ?(?:or|and)\b|\blater\b/i.test(rest))) continue;
    const id = `${GNU[kind.toLowerCase()]}-${major}.${minor}-${later ? "or-later" : "only"}`;
    yield RUNTIME_EXCEPTION.test(rest) ? `${id} WITH GCC-exception-3.1` : id;
  }
  for (const [, version, later] of text.matchAll(GFDL_NOTICE))
    yield `GFDL-${version}-${later ? "or-later" : "only"}`;
}

const BSD_OPENING =
  /Redistribution and use in source and binary forms, with or without modification, are permitted provided that the following conditions are met:? ?/gi;
/** The conditions of the BSD licences; the first two of them are BSD-2-Clause, all are BSD-3-Clause. */
const BSD_CONDITIONS: readonly RegExp[] = [
  /Redistributions of source code must retain the (?:above )?copyright notices?, this list of conditions,? and the following disclaimer\.?/i,
  /Redistributions in binary form must reproduce the above copyright notices?, this list of conditions,? and the following disclaimer in the documentation and\/or other materials provided with the distribution\.?/i,
  /(?:Neither the names? .{3,300}? nor the names of (?:its|their|any|other|the) ?(?:\w+ )?contributors?|The names? of .{3,80}? may not|The names? of .{3,80}?) (?:may )?be used to endorse or promote products derived from this software without (?:specific )?prior written permission\.?/i,
];

function* bsd(text: string): Generator<string> {
  for (const { index, 0: opening } of text.matchAll(BSD_OPENING)) {
    const start = index + opening.length;
    const disclaimer = /THIS SOFTWARE IS PROVIDED /i.exec(text.slice(start, start + 1800));
    if (!disclaimer) continue;
    const conditions = text.slice(start, start + disclaimer.index);
    const has = BSD_CONDITIONS.map((condition) => condition.test(conditions));
    const rest = BSD_CONDITIONS.reduce((left, condition) => left.replace(condition, ""), conditions);
    // Only bullets and numbers may be left.
    const isKnown = has[0] && has[1] && /^(?:[\s*.()-]|\b[0-9a-c]\b)*$/.test(rest);
    if (isKnown) yield has[2] ? "BSD-3-Clause" : "BSD-2-Clause";
  }
}

const MIT_OPENING =
  /Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files \(the "Software"\), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, (distribute with modifications, )?sublicense,? and\/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions: The above copyright notice and this permission notice(?: \(including the next paragraph\))? shall be included in all copies or substantial portions of the Software\. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND/gi;

function* mit(text: string): Generator<string> {
  for (const { 0: whole, 1: modifications, index } of text.matchAll(MIT_OPENING)) {
    const after = text.slice(index + whole.length, index + whole.length + 900);
    const next = after.search(/Permission is hereby granted/i);
    const own = next < 0 ? after : after.slice(0, next);
    const isX11 = /Except as contained in this notice, the name/i.test(own);
    if (modifications) {
      if (isX11) yield "X11-distribute-modifications-variant";
    } else if (!isX11) yield "MIT";
  }
}

/** Texts that one sentence, or two in a row, tells apart from all others. */
const TEXTS: readonly (readonly [RegExp, string])[] = [
  [
    /Permission to use, copy, modify, and(?:\/or)? distribute this software for any purpose with or without fee is hereby granted, provided that the above copyright notice and this permission notice appear in all copies\. THE SOFTWARE IS PROVIDED "AS IS"/i,
    "ISC",
  ],
  [
    /Permission to use, copy, modify, and(?:\/or)? distribute this software for any purpose with or without fee is hereby granted\. THE SOFTWARE IS PROVIDED "AS IS"/i,
    "0BSD",
  ],
  [
    /This software is provided '?"?as-is"?'?, without any express or implied warranty\. In no event will the authors? be held liable for any damages arising from the use of this software\. Permission is granted to anyone to use this software for any purpose, including commercial applications, and to alter it and redistribute it freely, subject to the following restrictions: ?\W{0,3}1?[.)]? ?The origin of this software must not be misrepresented/i,
    "Zlib",
  ],
  [/PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2/, "PSF-2.0"],
  [/Licensed under the Apache License, Version 2\.0/i, "Apache-2.0"],
];

/** Debian's files of licence texts that are one licence each. Those of GNU do not say whether later versions are meant. */
const COMMON: Readonly<Record<string, string>> = {
  ...{ "Apache-2.0": "Apache-2.0", Artistic: "Artistic-1.0-Perl", "Artistic-2.0": "Artistic-2.0" },
  ...{ "BSL-1.0": "BSL-1.0", "CC0-1.0": "CC0-1.0", "MPL-1.1": "MPL-1.1", "MPL-2.0": "MPL-2.0" },
  ...{ "CC-BY-3.0": "CC-BY-3.0", "CC-BY-4.0": "CC-BY-4.0", "OFL-1.1": "OFL-1.1" },
  ...{ "CC-BY-SA-3.0": "CC-BY-SA-3.0", "CC-BY-SA-4.0": "CC-BY-SA-4.0" },
};
const GNU_FILES = /^(?:GPL|LGPL|GFDL|AGPL)(?:-\d(?:\.\d)?)?$/;

/** What a text says of licences: SPDX expressions, and names of texts that it points to and does not say more of. */
export function recogniseNotices(copyright: string): { spdx: string[]; names: string[] } {
  const text = plain(copyright);
  const found = new Set([...gnuNotices(text), ...bsd(text), ...mit(text)]);
  for (const [sentence, id] of TEXTS) if (sentence.test(text)) found.add(id);
  const names = new Set<string>();
  for (const [, file = ""] of text.matchAll(/\/usr\/share\/common-licenses\/([A-Za-z0-9.-]*[A-Za-z0-9])/g)) {
    if (Object.hasOwn(COMMON, file)) found.add(COMMON[file]!);
    else if (GNU_FILES.test(file)) names.add(file);
  }
  // A pointer adds nothing to a notice of the same family.
  const isSaid = (name: string) => [...found].some((id) => id.startsWith(`${name.replace(/-.*/, "")}-`));
  return { spdx: [...found].sort(), names: [...names].filter((name) => !isSaid(name)).sort() };
}

/** The one licence that a text is; undefined if it is not certain. */
export function recogniseText(text: string): string | undefined {
  const { spdx, names } = recogniseNotices(text);
  return spdx.length === 1 && names.length === 0 ? spdx[0] : undefined;
}
