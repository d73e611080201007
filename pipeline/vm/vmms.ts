import type { Vmm } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import type { VmmDriver } from "./driver.ts";
import { firecracker } from "./firecracker/driver.ts";
import { qemu } from "./qemu/driver.ts";

/** How machines are started with each VMM; undefined where images are published for it and others start them. */
export const DRIVERS: Readonly<Record<Vmm, VmmDriver | undefined>> = {
  qemu,
  firecracker,
  libkrun: undefined,
};

/** The VMMs that machines can be started with, or those of them whose driver is as it should be. */
export const startableVmms = (as: (driver: VmmDriver) => boolean = () => true): string[] =>
  Object.entries(DRIVERS).flatMap(([vmm, driver]) => (driver && as(driver) ? [vmm] : []));

/** How machines are started with a VMM. @throws PipelineError where they are not */
export function driverOf(vmm: Vmm): VmmDriver {
  const driver = DRIVERS[vmm];
  if (driver) return driver;
  throw new PipelineError(`smolvm starts no ${vmm} machines: use --vmm ${startableVmms().join(" or ")}`);
}
