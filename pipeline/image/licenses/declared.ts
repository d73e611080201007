import { parseLicenses } from "./expression.ts";
import { isSpdx, type License } from "./license.ts";
import { spdxIdOf } from "./names.ts";

/** The longest text that is taken for a licence's name, characters; a longer one is the licence's text. */
const LONGEST_NAME = 100;

/**
 * The licences of an expression, as in Alpine's `license=` and in npm's lockfiles: SPDX's, or short names in its grammar.
 * `SEE LICENSE IN FILE` and `UNLICENSED` (nobody may use it) are no SPDX ids; they are kept as names.
 */
export function declaredLicenses(text = ""): License[] {
  const license = text.trim();
  if (!license || license === "UNKNOWN" || license === "NOASSERTION" || license === "NONE") return [];
  if (/^SEE LICEN[CS]E IN /i.test(license) || license === "UNLICENSED") return [{ name: license }];
  if (license.length > LONGEST_NAME && !isSpdx(license)) return [];
  return parseLicenses(license);
}

/** The licences in a package.json. The old list `licenses` offers a choice. */
export function npmLicenses({ license, licenses }: { license?: unknown; licenses?: unknown }): License[] {
  const names = (Array.isArray(licenses) ? licenses : [license ?? licenses]).flatMap((each) => {
    const name = typeof each === "object" && each !== null ? (each as { type?: unknown }).type : each;
    return typeof name === "string" && name.trim() ? [name.trim()] : [];
  });
  if (names.length < 2) return declaredLicenses(names[0]);
  return parseLicenses(names.map((name) => `(${name})`).join(" or "));
}

/** The core metadata of a Python package: `License-Expression`, or else `License`, or else its classifiers. */
export function pythonLicenses(metadata: string): License[] {
  const header = metadata.replace(/\r\n/g, "\n").split("\n\n")[0]!;
  // Without white space in the patterns, long runs of it take no longer than other text.
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, "mi").exec(header)?.[1]?.trim() || undefined;
  const expression = field("License-Expression");
  if (expression) return declaredLicenses(expression);
  const license = field("License");
  const declared = license && !/^License:.*\n[ \t]+\S/im.test(header) ? declaredLicenses(license) : [];
  if (declared.some((each) => "spdx" in each)) return declared;
  const classifiers = [...header.matchAll(/^Classifier: License ::(.*)$/gim)].map(([, classifier]) =>
    classifier!.split(" :: ").at(-1)!.trim(),
  );
  const [only, ...others] = classifiers.filter((each) => each !== "OSI Approved");
  if (!only || others.length > 0) return declared;
  const spdx = classifierId(only);
  if (spdx) return [{ spdx }];
  return declared.length > 0 ? declared : [{ name: only }];
}

/** Classifiers without an SPDX id in brackets. Several do not say which version or text they mean, such as `BSD License`. */
const CLASSIFIERS: Readonly<Record<string, string>> = {
  "MIT License": "MIT",
  "MIT No Attribution License (MIT-0)": "MIT-0",
  "ISC License (ISCL)": "ISC",
  "Python Software Foundation License": "PSF-2.0",
  "zlib/libpng License": "Zlib",
};

function classifierId(classifier: string): string | undefined {
  if (Object.hasOwn(CLASSIFIERS, classifier)) return CLASSIFIERS[classifier];
  // `GNU General Public License v2 or later (GPLv2+)`; without a version in it, the id is not certain.
  const [, id] =
    /\(((?=[^()]*\d)[^() ]+)\)$/.exec(classifier.replace(/\((\w+) (\d[\d.]*)\)/g, "($1-$2)")) ?? [];
  return id && spdxIdOf(id);
}
