import { BOUNDS } from "../../schema/bounds.ts";
import type { VmmDriver } from "../driver.ts";
import { FirecrackerMachine } from "./machine.ts";

export const firecracker: VmmDriver = {
  title: "Firecracker",
  emulates: false,
  needsTap: true,
  overlays: false,
  memoryMib: BOUNDS.memoryMib,
  cpus: BOUNDS.firecrackerCpus,
  start: ({ accel: _, disk, tap, ...common }, signal) =>
    FirecrackerMachine.start({ ...common, disk: disk.path, tap: tap! }, signal),
};
