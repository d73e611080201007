import { InvalidArgumentError } from "commander";

/** Reads an option's value as a number, where it looks as it should; `rule` tells whoever wrote another. */
export const numberLike =
  (pattern: RegExp, rule: string) =>
  (value: string): number => {
    if (!pattern.test(value)) throw new InvalidArgumentError(rule);
    return Number(value);
  };
