import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { VMMS } from "../../../pipeline/schema/names.ts";
import { withAccelerator } from "../../../pipeline/vm/accel.ts";
import { DRIVERS, driverOf, startableVmms } from "../../../pipeline/vm/vmms.ts";
import { REPOSITORY } from "../../support/project.ts";
import { recordedRun } from "../../support/run.ts";

describe("the registry of VMMs", () => {
  it("has a line for every VMM of the contract", () => {
    expect(Object.keys(DRIVERS).sort()).toEqual([...VMMS].sort());
  });

  it("has a driver for every VMM that has a folder, and a folder for every driver", () => {
    const folders = VMMS.filter((vmm) => existsSync(join(REPOSITORY, "pipeline/vm", vmm)));
    expect(startableVmms().sort()).toEqual([...folders].sort());
    for (const vmm of folders) expect(driverOf(vmm)).toBe(DRIVERS[vmm]);
  });

  it("offers another VMM in place of one that it does not start", () => {
    expect(() => driverOf("libkrun")).toThrow(
      /^smolvm cannot start machines with libkrun: use --vmm qemu or firecracker$/,
    );
  });

  it("has a VMM that needs neither KVM nor a network device: what users get by default", () => {
    expect(startableVmms(({ emulates, needsTap }) => emulates && !needsTap)).toContain("qemu");
  });

  it("is the one place where the pipeline tells VMMs apart", () => {
    const files = readdirSync(join(REPOSITORY, "pipeline"), { recursive: true, encoding: "utf8" });
    const tests = files
      .filter((path) => path.endsWith(".ts"))
      .filter((path) =>
        /(?:===|!==|case) "(?:qemu|firecracker|libkrun)"/.test(
          readFileSync(join(REPOSITORY, "pipeline", path), "utf8"),
        ),
      );
    expect(tests).toEqual([]);
  });
});

describe("a VMM that cannot emulate", () => {
  it("is tried with KVM alone, whatever is known of KVM here", async () => {
    const run = recordedRun();
    const tried: string[] = [];
    const attempt = async (accel: string) => {
      tried.push(accel);
      throw new Error("no vCPU");
    };
    await expect(withAccelerator({ arch: "amd64", emulates: false }, run, attempt)).rejects.toThrow(
      "no vCPU",
    );
    expect([tried, run.warnings]).toEqual([["kvm"], []]);
  });
});
