import type { OwnerOf } from "../owner.ts";

/** Files that no list of a package names, because a script of the package made them when it was installed. */
export interface Rule {
  /** The package whose script made them. The rule holds only where it is installed. */
  readonly by: string;
  /** The paths in the image, without a leading `/`. */
  readonly paths: RegExp;
  /** The rule is for symlinks with such a target only. @default regular files and symlinks */
  readonly target?: RegExp;
  readonly reason: string;
  /** Where an image has such files, if no image that is built from Debian's or Alpine's own archive has them. */
  readonly only?: string;
}

/** The files that the rules explain. `used` gets each rule that explained a file. */
export function ruledOwners(
  rules: readonly Rule[],
  installed: ReadonlySet<string>,
  used: Set<Rule>,
): OwnerOf {
  const valid = rules.filter(({ by }) => installed.has(by));
  return ({ path, type, target }) => {
    const rule = valid.find(
      (each) =>
        each.paths.test(path) &&
        (each.target === undefined || (type === "symlink" && each.target.test(target!))),
    );
    if (!rule) return undefined;
    used.add(rule);
    return { origin: "scripts", name: rule.by };
  };
}
