import { InvalidArgumentError } from "commander";
import { BOUNDS, type Bounds } from "../../schema/bounds.ts";

export { BOUNDS };

/** A parser for options: a whole number within bounds, in decimal digits. */
export const wholeNumber =
  ({ least, most }: Bounds) =>
  (value: string): number => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
  };

/** A parser for options: a size within bounds, as `512M`, `2G` or a number of MiB. Returns MiB. */
export const sizeInMib =
  (bounds: Bounds) =>
  (value: string): number => {
    const [, number = "", unit = "M"] = /^(\d{1,9})([MG])?$/i.exec(value) ?? [];
    const mib = Number(number) * (unit.toUpperCase() === "G" ? 1024 : 1);
    if (number !== "" && mib >= bounds.least && mib <= bounds.most) return mib;
    throw new InvalidArgumentError(`Expected a size from ${sizes(bounds, " to ")}, such as 512M or 2G.`);
  };

/** For help: `1-19`. */
export const range = ({ least, most }: Bounds): string => `${least}-${most}`;

/** For help: `64M-1024G`. */
export const sizes = ({ least, most }: Bounds, to = "-"): string => `${least}M${to}${most / 1024}G`;
