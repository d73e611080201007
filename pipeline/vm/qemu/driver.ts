import { BOUNDS } from "../../schema/bounds.ts";
import type { VmmDriver } from "../driver.ts";
import { QemuControl } from "./control.ts";
import { QemuMachine } from "./machine.ts";

export const qemu: VmmDriver = {
  title: "QEMU",
  emulates: true,
  needsTap: false,
  overlays: true,
  memoryMib: BOUNDS.memoryMib,
  cpus: BOUNDS.cpus,
  start: ({ disk: { path, writes }, directory, tap: _, ...common }, signal) =>
    QemuMachine.start({ ...common, disk: path, writes, internet: true, outlives: directory }, signal),
  attach: (directory) => QemuControl.open(directory),
};
