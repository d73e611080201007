import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { handoverOf } from "../../../pipeline/runtime/kinds/index.ts";
import type { BuildFacts } from "../../../pipeline/runtime/rootfs/build.ts";
import { verifyRootfs } from "../../../pipeline/runtime/rootfs/verify.ts";
import { cellDirectory, type Workshop } from "../../../pipeline/runtime/workshop.ts";
import { provenOf } from "../../../pipeline/schema/facts.ts";
import { ofKind } from "../../../pipeline/schema/kinds/index.ts";
import { StagingDirectory } from "../../../pipeline/stores/directory/staging.ts";
import { hostArch } from "../../../pipeline/vm/accel.ts";
import { rootfsFacts } from "../../support/checkout.ts";
import { FakeFirecracker } from "../../support/firecracker/fake.ts";
import { FakeQemu } from "../../support/qemu/fake.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { sampleCells } from "../../support/tree.ts";

const READY = "SMOLVM_TS stage=init-complete epoch_s=1790000000 uptime_s=1.2\n";
const IMAGE = Buffer.from("an image");
const cells = sampleCells();
const base = ofKind(cells.cells, "base").find(({ arch }) => arch === hostArch())!;
const { boot: _, proven: __, ...built } = rootfsFacts(base, IMAGE);

let root: string;
let qemu: FakeQemu;
beforeEach(() => {
  root = tempDirectory();
});
afterEach(() => vi.unstubAllEnvs());

/** From now on machines behave so. @param says what the guest of a Firecracker on PATH prints. @default there is none */
function machines(modes: ConstructorParameters<typeof FakeQemu>[1], says?: string): FakeFirecracker {
  qemu = new FakeQemu(root, modes);
  const firecracker = new FakeFirecracker(root, says ?? "");
  const PATH = says === undefined ? qemu.env.PATH : [firecracker.bin, qemu.env.PATH].join(delimiter);
  for (const [name, value] of Object.entries({ ...qemu.env, PATH })) vi.stubEnv(name, value);
  return firecracker;
}

/** A workshop in which the build stage has left an image. */
function workshop(): Workshop {
  const kernel = join(root, "vmlinux");
  writeFileSync(kernel, "\x7fELF");
  const shop = {
    ...{ cells, run: recordedRun(), staging: new StagingDirectory(join(root, "store")) },
    options: { root, kernel: { kernel } },
  } as unknown as Workshop;
  const directory = cellDirectory(shop, base);
  mkdirSync(directory, { recursive: true });
  for (const name of ["rootfs.ext4", "rootfs.ext4.zst", "sbom.cdx.json"])
    writeFileSync(join(directory, name), IMAGE);
  writeFileSync(join(directory, "build.json"), JSON.stringify(built));
  return shop;
}

const verify = (shop: Workshop) => verifyRootfs(shop, base, built as BuildFacts, handoverOf(shop));
const staged = () => {
  try {
    return readdirSync(join(root, "store"));
  } catch {
    return [];
  }
};
const on = (machine: "pci" | "mmio", accel: "kvm" | "tcg") => ({
  ...{ vmm: "qemu", machine, format: "elf", accel },
});

describe("an image is staged", () => {
  it("when it has booted with PCI devices and, as on Firecracker, with MMIO devices and without a console", async () => {
    machines({ kvm: "no-device" });
    const shop = workshop();
    const { proven } = await verify(shop);
    expect(proven).toEqual([on("pci", "tcg"), on("mmio", "tcg")]);
    const facts = await shop.staging.facts(base.assets[0]!);
    expect(facts && provenOf(facts)).toEqual(["qemu-pci", "qemu-mmio"]);
    // KVM is not tried once more with the other machine.
    expect(qemu.started).toEqual(["kvm", "tcg", "tcg"]);
  });

  it("not when either boot fails, and the built image stays to be verified again", async () => {
    for (const [modes, problem] of [
      [{ kvm: "panic" }, /^the machine ended before it could be used/],
      [
        { kvm: "run", withoutConsole: "panic" },
        /^with MMIO devices and without a console: the machine ended before it could be used/,
      ],
      [
        { kvm: "run", withoutConsole: "refuse" },
        /^with MMIO devices and without a console: the guest's SSH server refuses the key/,
      ],
    ] as const) {
      machines(modes);
      const shop = workshop();
      await expect(verify(shop)).rejects.toThrow(problem);
      expect(staged()).toEqual([]);
      expect(statSync(join(cellDirectory(shop, base), "build.json")).size).toBeGreaterThan(0);
    }
  });

  it("when it has booted on Firecracker too, where that is on PATH and KVM runs guests", async () => {
    const firecracker = machines({ kvm: "run" }, READY);
    const shop = workshop();
    const { proven } = await verify(shop);
    expect(proven).toEqual([
      ...[on("pci", "kvm"), on("mmio", "kvm")],
      { vmm: "firecracker", machine: "mmio", format: "elf", accel: "kvm" },
    ]);
    const calls = firecracker.calls;
    expect(calls.get("/boot-source")).toEqual({
      kernel_image_path: join(root, "vmlinux"),
      boot_args: expect.stringMatching(
        /console=ttyS0 reboot=k panic=1 pci=off root=\/dev\/vda rw init=\/init$/,
      ),
    });
    expect(calls.has("/network-interfaces/eth0")).toBe(false);
    // The guest writes to its disk, so it gets a copy.
    const disk = calls.get("/drives/rootfs") as { path_on_host: string; size: number };
    expect(disk.path_on_host).not.toContain(root);
    expect(disk.size).toBe(IMAGE.length);
    expect(() => readFileSync(disk.path_on_host)).toThrow("ENOENT");
  });

  it("not when Firecracker does not boot it", async () => {
    machines({ kvm: "run" }, "Kernel panic - not syncing");
    await expect(verify(workshop())).rejects.toThrow(
      /^on Firecracker: the machine ended before it could be used/,
    );
    expect(staged()).toEqual([]);
  });

  it("without Firecracker where it does not start the kernel that the user gives", async () => {
    const firecracker = machines({ kvm: "run" }, READY);
    const shop = workshop();
    const { kernel } = shop.options.kernel!;
    Object.assign(shop.options, { kernel: { kernel, initrd: kernel } });
    expect((await verify(shop)).proven).toEqual([on("pci", "kvm"), on("mmio", "kvm")]);
    expect(firecracker.calls.get("starts")).toBe(0);
  });

  it("without Firecracker where QEMU has to emulate", async () => {
    const firecracker = machines({ kvm: "internal-error" }, READY);
    expect((await verify(workshop())).proven).toEqual([on("pci", "tcg"), on("mmio", "tcg")]);
    expect(firecracker.calls.get("starts")).toBe(0);
  });
});
