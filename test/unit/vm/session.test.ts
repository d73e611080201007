import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { directoryOf, keyOf, machines } from "../../../pipeline/client/machines/registry.ts";
import { type StartOptions, start } from "../../../pipeline/client/machines/start.ts";
import { stopMachine } from "../../../pipeline/client/machines/stop.ts";
import { hostArch } from "../../../pipeline/vm/accel.ts";
import { probeKernel } from "../../../pipeline/vm/proof/probe.ts";
import { verifyBoot } from "../../../pipeline/vm/proof/verify.ts";
import { QemuControl } from "../../../pipeline/vm/qemu/control.ts";
import { attempt, runCommand } from "../../../pipeline/vm/ssh.ts";
import { FakeQemu } from "../../support/qemu/fake.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";

let directory: string;
let qemu: FakeQemu;
beforeEach(() => {
  directory = tempDirectory();
});
afterEach(() => vi.unstubAllEnvs());

/** From now on QEMU behaves so. */
function fake(
  ...modes: ConstructorParameters<typeof FakeQemu> extends [string, infer M] ? [M] : never
): void {
  qemu = new FakeQemu(directory, ...modes);
  const env = { ...qemu.env, SMOLVM_MACHINES: join(directory, "machines") };
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
}

const arch = hostArch();
const files = () => ({ kernel: join(directory, "kernel"), disk: join(directory, "disk") });
const verify = (run = recordedRun(), more: object = {}) =>
  verifyBoot(
    {
      ...{ arch, disk: files().disk, kernel: { kernel: files().kernel } },
      check: { command: ["codex", "--version"], expect: "--version" },
      consoleLog: join(directory, "console.log"),
      ...more,
    },
    run,
  );
const rejection = (work: Promise<unknown>) =>
  work.then(
    () => expect.fail("it did not fail"),
    (error: Error & { details?: string[] }) => [error.message, ...(error.details ?? [])].join("\n"),
  );

describe("KVM is believed when a guest has run", () => {
  it("is used, and nothing is said, where it works", async () => {
    fake({ kvm: "run" });
    const run = recordedRun();
    expect(await verify(run)).toMatchObject({ accel: "kvm", init_uptime_s: 1, ready_uptime_s: 1.2 });
    expect(qemu.started).toEqual(["kvm"]);
    expect(run.warnings).toEqual([]);
  });

  it.each([
    ["internal-error", /\(QEMU has stopped the guest \(internal-error\): KVM internal error\. Suberror: 1\)/],
    ["silent", /\(the guest printed nothing within 5 s\)/],
    [
      "no-device",
      /\(QEMU ended as soon as it was started: .*Could not access KVM kernel module: No such file or directory\)/,
    ],
  ] as const)("%s: is followed by one try under emulation, and remembered", async (kvm, why) => {
    fake({ kvm });
    const run = recordedRun();
    expect(await verify(run)).toMatchObject({ accel: "tcg", check: { output: "codex --version" } });
    expect(qemu.started).toEqual(["kvm", "tcg"]);
    expect(run.warnings).toEqual([expect.stringMatching(/^KVM does not run the guest/)]);
    expect(run.warnings[0]).toMatch(why);

    const later = recordedRun();
    await verify(later);
    expect(qemu.started).toEqual(["kvm", "tcg", "tcg"]);
    expect(later.warnings).toEqual([
      expect.stringMatching(/^KVM is not used, because it failed to run a guest since this/),
    ]);
  });

  it("is tried again once this machine has booted anew", async () => {
    fake({ kvm: "run" });
    const record = join(qemu.env.HOME!, ".smolvm/kvm.json");
    mkdirSync(join(qemu.env.HOME!, ".smolvm"));
    writeFileSync(record, JSON.stringify({ schema_version: 1, boot_id: "another", why: "it was broken" }));
    expect(await verify()).toMatchObject({ accel: "kvm" });
  });

  it("learns nothing from a guest that emulation does not run either", async () => {
    fake({ kvm: "internal-error", tcg: "panic" });
    expect(await rejection(verify())).toMatch(
      /^the machine ended before it could be used\n.*\n.*\n.*Kernel panic/,
    );
    expect(qemu.started).toEqual(["kvm", "tcg"]);
    expect(existsSync(join(qemu.env.HOME!, ".smolvm/kvm.json"))).toBe(false);
  });

  it("does not blame it for a guest that runs and panics", async () => {
    fake({ kvm: "panic" });
    expect(await rejection(verify())).toContain("Kernel panic - not syncing");
    expect(qemu.started).toEqual(["kvm"]);
  });

  it("is a matter of the user's, who decides by hand", async () => {
    fake({ kvm: "internal-error" });
    expect(await verify(recordedRun(), { accel: "tcg" })).toMatchObject({ accel: "tcg" });
    expect(await rejection(verify(recordedRun(), { accel: "kvm" }))).toMatch(
      /^QEMU has stopped the guest .*: use `tcg` \(--accel or SMOLVM_ACCEL\)\n/,
    );
    vi.stubEnv("SMOLVM_ACCEL", "tcg");
    const run = recordedRun();
    await verify(run);
    expect(qemu.started).toEqual(["tcg", "kvm", "tcg"]);
    expect(run.warnings).toEqual([]);
    vi.stubEnv("SMOLVM_ACCEL", "xen");
    expect(await rejection(verify())).toBe(
      'SMOLVM_ACCEL is "xen", which is not an accelerator: set it to kvm or tcg, or unset it to use what works on this machine',
    );
  });

  it("has worked when a user asked for it in spite of an earlier failure, which is forgotten", async () => {
    fake({ kvm: "internal-error" });
    await verify();
    fake({ kvm: "run" });
    expect(await verify(recordedRun(), { accel: "kvm" })).toMatchObject({ accel: "kvm" });
    expect(await verify()).toMatchObject({ accel: "kvm" });
  });

  it("has worked also where that failure cannot be forgotten", async () => {
    fake({ kvm: "run" });
    // Neither root nor anybody else can remove a directory as if it were a file.
    const record = join(qemu.env.HOME!, ".smolvm/kvm.json");
    mkdirSync(record, { recursive: true });
    expect(await verify(recordedRun(), { accel: "kvm" })).toMatchObject({ accel: "kvm" });
    expect(existsSync(record)).toBe(true);
  });

  it("cannot be asked for a guest of another arch", async () => {
    fake({ kvm: "run" });
    const other = arch === "amd64" ? "arm64" : "amd64";
    expect(await verify(recordedRun(), { arch: other })).toMatchObject({ accel: "tcg" });
    expect(await rejection(verify(recordedRun(), { arch: other, accel: "kvm" }))).toBe(
      `KVM cannot run this guest: it is ${other}, but this machine is ${arch}: use \`tcg\` (--accel or SMOLVM_ACCEL)`,
    );
  });

  it("is not what is missing where QEMU is", async () => {
    fake({ kvm: "run" });
    vi.stubEnv("PATH", tempDirectory());
    expect(await rejection(verify())).toMatch(
      /^qemu-system-\w+ is not installed: install it; in this repository `bash scripts\/setup.sh`/,
    );
  });

  it("holds for the kernel's probe as well", async () => {
    fake({ kvm: "internal-error", tcg: "probe" });
    const run = recordedRun();
    const options = { arch, bus: "pci", kernel: files().kernel, initrd: files().disk } as const;
    const probed = await probeKernel({ ...options, consoleLog: join(directory, "console.log") }, run);
    expect(probed).toEqual({ vmm: "qemu", accel: "tcg", init_uptime_s: 1 });
    expect(run.warnings).toEqual([expect.stringMatching(/^KVM does not run the guest/)]);
  });
});

describe("a wait for a guest ends", () => {
  it("when QEMU stops it for a full disk, with the reason and without a second try", async () => {
    fake({ kvm: "no-device", tcg: "io-error" });
    expect(await rejection(verify())).toMatch(
      /^QEMU has stopped the guest \(io-error\): No space left on device\n/,
    );
  });

  it("after its time, with the console's last lines or word that there are none", async () => {
    fake({ kvm: "no-device", tcg: "hang" });
    expect(await rejection(verify(recordedRun(), { timeoutMs: 1500 }))).toBe(
      "no SSH login within 1.5 s of starting the machine (tcg); --boot-timeout sets a longer limit\n" +
        "the console's last lines:\n  Linux version 6.12",
    );
    fake({ kvm: "no-device", tcg: "silent" });
    expect(await rejection(verify(recordedRun(), { timeoutMs: 1500 }))).toContain("\nthe console is empty");
  });

  it("when the guest refuses the key, at once", async () => {
    fake({ kvm: "no-device", tcg: "refuse" });
    expect(await rejection(verify())).toMatch(/^the guest's SSH server refuses the key/);
  });

  it("when the work is interrupted, and its QEMU is gone", async () => {
    fake({ kvm: "hang" });
    const run = recordedRun();
    const verified = rejection(verify(run));
    await vi.waitUntil(() => qemu.started.length === 1, { timeout: 30_000 });
    run.interrupt(new Error("enough"));
    expect(await verified).toBe("enough");
  });
});

describe("a machine that stays", () => {
  const image = () => ({
    ...{ kernelPath: files().kernel, rootfsPath: files().disk, flavor: "alpine" },
    timings: { lookupMs: 0, downloadMs: 0, finishMs: 0 },
  });
  const started = (run = recordedRun(), more: Partial<StartOptions> = {}) =>
    start(image(), { name: "work", arch, vmm: "qemu", image: "base", flavor: "alpine", ...more }, run);

  it("falls back to emulation, is found, and is powered off by another process", async () => {
    fake({ kvm: "internal-error" });
    const run = recordedRun();
    (await started(run)).release();
    expect(run.warnings).toEqual([expect.stringMatching(/^KVM does not run the guest/)]);
    const [machine] = await machines();
    expect(machine).toMatchObject({ name: "work", host: "127.0.0.1" });
    const stopping = recordedRun();
    await stopMachine(machine!, stopping);
    expect(stopping.warnings).toEqual([]);
    expect(await machines()).toEqual([]);
    expect(readdirSync(join(directory, "machines"))).toEqual([]);
  });

  it("is ended at once where QEMU has stopped it, instead of being waited for", async () => {
    fake({ kvm: "io-error" });
    const run = recordedRun();
    const { machine, release } = await started(run);
    release();
    const signal = AbortSignal.timeout(20_000);
    const privateKey = readFileSync(keyOf("work"));
    const client = await attempt({ port: machine.port, privateKey }, signal);
    // It writes, and the host's disk is full.
    runCommand(client, ["touch", "/x"], signal).catch(() => {});
    const control = await QemuControl.open(directoryOf("work"));
    expect(await control.failed).toContain("(io-error)");
    control.close();
    client.destroy();

    const stopping = recordedRun();
    await stopMachine(machine, stopping);
    expect(stopping.warnings).toEqual([
      expect.stringMatching(/^work: QEMU has stopped the guest \(io-error\)/),
      "work does not power off, so its process is killed",
    ]);
    expect(await machines()).toEqual([]);
  });

  it("leaves nothing where it does not start", async () => {
    fake({ kvm: "panic" });
    expect(await rejection(started())).toContain("Kernel panic");
    expect(readdirSync(join(directory, "machines"))).toEqual([]);
  });

  it("cannot be Firecracker's where KVM is known not to work, or emulation was asked for", async () => {
    fake({ kvm: "internal-error" });
    await (await started()).stop();
    expect(await rejection(started(recordedRun(), { vmm: "firecracker", tap: "tap0" }))).toMatch(
      /^Firecracker needs KVM, but it failed to run a guest since this machine last booted \(.*\): use --vmm qemu$/,
    );
    expect(await rejection(started(recordedRun(), { vmm: "firecracker", tap: "tap0", accel: "tcg" }))).toBe(
      "Firecracker needs KVM, but the user chose emulation: use --vmm qemu",
    );
  });
});
