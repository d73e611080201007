import { copyrightLicenses } from "./copyright.ts";
import type { License } from "./license.ts";

/** A package of dpkg's database. */
interface DebianPackage {
  readonly name: string;
  readonly source: string;
  /** The names of the packages that it needs, without alternatives. */
  readonly depends: readonly string[];
}

/**
 * The licences of Debian packages. `status` is the text of dpkg's database; `read` gives the text of a file, and undefined if
 * there is none.
 *
 * The documents of a package may be a symlink to those of a package of the same source that it depends on (Debian policy,
 * 12.3). Images have no such symlinks, so those packages are found by their dependencies.
 */
export class DebianLicenses {
  readonly #packages: ReadonlyMap<string, DebianPackage>;
  readonly #read: (path: string) => Promise<string | undefined>;

  constructor(status: string, read: (path: string) => Promise<string | undefined>) {
    this.#packages = new Map(status.split("\n\n").flatMap(parsePackage));
    this.#read = read;
  }

  /** The licences of a package; none if they are not known. */
  async of(name: string): Promise<License[]> {
    const own = this.#packages.get(name);
    const siblings = (own?.depends ?? []).filter(
      (other) => this.#packages.get(other)?.source === own?.source && other !== name,
    );
    for (const each of [name, ...siblings]) {
      const text = await this.#read(`usr/share/doc/${each}/copyright`);
      if (text !== undefined) return copyrightLicenses(text);
    }
    return [];
  }
}

function parsePackage(paragraph: string): [string, DebianPackage][] {
  const field = (key: string) => new RegExp(`^${key}: *(.+)$`, "m").exec(paragraph)?.[1] ?? "";
  const name = field("Package");
  const depends = `${field("Pre-Depends")},${field("Depends")}`
    .split(",")
    .flatMap((each) => (each.includes("|") ? [] : [each.trim().replace(/[\s(:].*$/, "")]))
    .filter((each) => each);
  // `Source: gcc-14 (14.2.0-19)` where the versions differ.
  return name ? [[name, { name, source: field("Source").replace(/ .*$/, "") || name, depends }]] : [];
}
