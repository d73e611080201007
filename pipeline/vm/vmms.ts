import type { Vmm } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import type { VmmDriver } from "./driver.ts";
import { firecracker } from "./firecracker/driver.ts";
import { qemu } from "./qemu/driver.ts";

/** The driver of each VMM. Undefined for a VMM that images are published for, but that this program does not start. */
export const DRIVERS: Readonly<Record<Vmm, VmmDriver | undefined>> = {
  qemu,
  firecracker,
  libkrun: undefined,
};

/** The names of the VMMs that have a driver, or of those whose driver matches `as`. */
export const startableVmms = (as: (driver: VmmDriver) => boolean = () => true): string[] =>
  Object.entries(DRIVERS).flatMap(([vmm, driver]) => (driver && as(driver) ? [vmm] : []));

/** The driver of a VMM. @throws PipelineError if it has none */
export function driverOf(vmm: Vmm): VmmDriver {
  const driver = DRIVERS[vmm];
  if (driver) return driver;
  throw new PipelineError(`smolvm cannot start machines with ${vmm}`, {
    fix: `use --vmm ${startableVmms().join(" or ")}`,
  });
}
