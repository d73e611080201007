import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { recordAppliance } from "../../../../pipeline/runtime/kinds/initramfs/record.ts";
import { RecordedAppliance } from "../../../../pipeline/schema/initramfs/recorded.ts";
import { tempDirectory } from "../../../support/run.ts";

it("records the versions of the distribution's packages and the sizes of modules, where synth reads them", async () => {
  const root = tempDirectory();
  const kernel = { package: "linux-lts", version: "6.18.30-r0", release: "6.18.30-0-lts" };
  const modules = [
    {
      ...{ name: "ahci", set: "minimal" as const, essential: true, state: "module" as const },
      ...{ file: "kernel/drivers/ata/ahci.ko", size: 149991 },
    },
  ];
  const packages = [
    { type: "github" as const, name: "threefoldtech/zinit", version: "v0.2.28" },
    { type: "apk" as const, name: "musl", version: "1.2.5-r9" },
    { type: "apk" as const, name: "eudev", version: "3.2.14-r5" },
  ];
  await recordAppliance(root, { id: "initramfs-zos-amd64", kernel, modules, packages });
  const path = join(root, "listings/initramfs-zos-amd64.json");
  expect(existsSync(path)).toBe(true);
  const recorded = RecordedAppliance.parse(JSON.parse(readFileSync(path, "utf8")));
  expect(recorded).toEqual({
    ...{ schema_version: 1, id: "initramfs-zos-amd64", kernel, modules },
    packages: { eudev: "3.2.14-r5", musl: "1.2.5-r9" },
  });
  expect(Object.keys(recorded.packages)).toEqual(["eudev", "musl"]);
});
