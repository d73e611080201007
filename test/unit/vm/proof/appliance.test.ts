import { describe, expect, it } from "vitest";
import { parseReport, problemOf, type Report } from "../../../../pipeline/vm/proof/appliance.ts";

/** As a serial console gives it, between other lines. */
const CONSOLE = [
  "SMOLVM_TS stage=program uptime_s=9.10",
  "INITRAMFS root tmpfs",
  "INITRAMFS memory 1980 231",
  "INITRAMFS module virtio_net",
  "[    9.5] a message of the kernel: INITRAMFS disk none",
  "INITRAMFS module ahci",
  "INITRAMFS disk vda",
  "INITRAMFS network eth0",
  "INITRAMFS service sshd Running",
  "INITRAMFS service keys Success",
  "SMOLVM_TS stage=report uptime_s=12.00",
].join("\r\n");

describe("the report of an appliance", () => {
  const report = parseReport(CONSOLE);

  it("is read from its console", () => {
    expect(report).toEqual({
      ...{ root: "tmpfs", memoryMib: 1980, usedMib: 231, modules: ["ahci", "virtio_net"] },
      ...{ disks: ["vda"], networks: ["eth0"] },
      services: [
        { name: "sshd", state: "Running" },
        { name: "keys", state: "Success" },
      ],
    });
    expect(problemOf(report, ["sshd", "keys"])).toBeUndefined();
  });

  it.each<[string, Partial<Report>, string]>([
    ["no tmpfs", { root: "rootfs" }, "the appliance runs on rootfs, and not on a tmpfs"],
    ["no virtio disk", { disks: ["sda"] }, "the appliance has no virtio disk"],
    ["no network card", { networks: [] }, "the appliance has no network card"],
    ["a service that is missing", { services: [] }, "the init program does not list the services sshd"],
    [
      "a service that has failed",
      { services: [{ name: "sshd", state: "Error" }] },
      "services have not started: sshd (Error)",
    ],
  ])("shows %s", (_, changed, problem) => {
    expect(problemOf({ ...report, ...changed }, ["sshd"])).toBe(problem);
  });
});
