import { SPDX } from "@cyclonedx/cyclonedx-library";
import parse from "spdx-expression-parse";

/**
 * One licence of a package: an SPDX expression, or the package's own name for a licence that has no SPDX id. In an
 * expression, `LicenseRef-NAME` stands for such a name. All licences of a package apply together.
 */
export type License = { readonly spdx: string } | { readonly name: string };

/** Whether SPDX's grammar and lists have this expression. */
export function isSpdx(expression: string): boolean {
  try {
    parse(expression);
    return true;
  } catch {
    return false;
  }
}

/** Whether the text is one SPDX id, without operators. */
export const isSpdxId = (text: string): boolean => SPDX.isSupportedSpdxId(text);

/** The SPDX id that differs from `name` at most in capital letters. */
export const findSpdxId = (name: string): string | undefined => SPDX.fixupSpdxId(name);

/** SPDX's form of a name that is not on its list. */
export const licenseRef = (name: string): string =>
  `LicenseRef-${name
    .replaceAll("+", "-or-later")
    .replace(/[^A-Za-z0-9.-]+/g, "-")
    .replace(/^-|-$/g, "")}`;

const textOf = (license: License) => ("spdx" in license ? license.spdx : license.name);

/** The licences without repetitions, sorted by their text, so that the same package gives the same inventory. */
export function distinct(licenses: readonly License[]): License[] {
  const byText = new Map(licenses.map((license) => [textOf(license), license]));
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, license]) => license);
}
