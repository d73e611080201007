import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bootable, debugFindings } from "../../../../pipeline/runtime/kinds/initramfs/content.ts";
import type { InitramfsCell } from "../../../../pipeline/schema/cells.ts";
import { tempDirectory } from "../../../support/run.ts";
import { normalised, tree } from "../../../support/tar.ts";

const content = {
  "boot/vmlinuz": "kernel",
  "dev/pts/x": "",
  "etc/initramfs/config": "MODE=release\nROOT_MIB=1536\n",
  init: "#!/bin/sh\n",
};
const spool = () => join(tempDirectory(), "spool.tar");
const findings = (files: Readonly<Record<string, string>>, mode: "debug" | "release" = "release") =>
  normalised(spool(), tree({ ...content, ...files }), (rootfs) =>
    debugFindings(rootfs, { mode } as InitramfsCell),
  );

describe("the content of an initramfs", () => {
  it("is that of the container image without the kernel, and with the nodes that PID 1 needs first", async () => {
    const entries = await normalised(spool(), tree(content), async (rootfs) => bootable(rootfs).entries);
    expect(entries.map(({ path }) => path)).toEqual([
      ...["boot", "dev", "dev/console", "dev/null", "etc", "etc/initramfs", "etc/initramfs/config", "init"],
    ]);
    expect(entries.find(({ path }) => path === "dev/console")).toMatchObject({
      ...{ type: "character-device", mode: 0o600, device: { major: 5, minor: 1 } },
    });
  });

  it("has nothing of debug mode in release mode", async () => {
    expect(await findings({})).toEqual([]);
    expect(await findings({ "etc/initramfs/debug": "hook" })).toEqual([
      { id: "debug-hook", path: "etc/initramfs/debug", what: "is for debug mode only" },
    ]);
    expect(await findings({ "etc/initramfs/config": "MODE=debug\n" })).toEqual([
      { id: "debug-hook", path: "etc/initramfs/config", what: "does not say MODE=release" },
    ]);
    const debug = { "etc/initramfs/debug": "hook", "etc/initramfs/config": "MODE=debug\n" };
    expect(await findings(debug, "debug")).toEqual([]);
  });
});
