import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { directoryOf, keyOf, machines } from "../../../../pipeline/client/machines/registry.ts";
import { type Started, type StartOptions, start } from "../../../../pipeline/client/machines/start.ts";
import { stopMachine } from "../../../../pipeline/client/machines/stop.ts";
import { isRunning, pidOf } from "../../../../pipeline/util/process.ts";
import { hostArch } from "../../../../pipeline/vm/accel.ts";
import { attempt, runCommand } from "../../../../pipeline/vm/ssh.ts";
import { FakeFirecracker } from "../../../support/firecracker/fake.ts";
import { FakeQemu } from "../../../support/qemu/fake.ts";
import { recordedRun, tempDirectory } from "../../../support/run.ts";

const MIB = 2 ** 20;
let directory: string;
let image: string;
let qemu: FakeQemu;
beforeEach(() => {
  directory = tempDirectory();
  image = join(directory, "image.ext4");
  qemu = new FakeQemu(directory, { kvm: "run" });
  const env = { ...qemu.env, SMOLVM_MACHINES: join(directory, "machines") };
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
  execFileSync("mke2fs", ["-q", "-F", "-t", "ext4", image, "8M"], { env: { ...process.env, PATH } });
});
/** What a test has started, and is to be stopped while the environment is still the test's. */
const left: Started[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const machine of left.splice(0)) await machine.stop();
  vi.unstubAllEnvs();
});

const options = (more: Partial<StartOptions> = {}): StartOptions => ({
  ...{ name: "work", arch: hostArch(), vmm: "qemu", image: "codex", flavor: "alpine", accel: "tcg" },
  ...more,
});

/** Starts a machine, and says with which words its QEMU was. */
async function started(more: Partial<StartOptions> = {}, run = recordedRun()) {
  const timings = { lookupMs: 0, downloadMs: 0, finishMs: 0 };
  const local = { kernelPath: join(directory, "kernel"), rootfsPath: image, flavor: "alpine", timings };
  const running = await start(local, options(more), run);
  left.push(running);
  const pid = pidOf(running.machine.process);
  const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  const flag = (name: string) => words[words.indexOf(name) + 1] ?? "";
  return { running, words: words.join(" "), flag };
}

/** What keeps this process from ending: connections and processes. */
const busy = () =>
  process.getActiveResourcesInfo().filter((each) => /^(TCPSocket|Pipe|Process)Wrap$/.test(each)).length;

describe("a machine", () => {
  it("has the kernel, accelerator, memory and processors that it is to have, and the internet", async () => {
    const { flag } = await started({ memoryMib: 512, cpus: 3 });
    expect(flag("-accel")).toMatch(/^tcg/);
    expect(flag("-netdev")).toContain("restrict=off");
    expect([flag("-kernel"), flag("-m"), flag("-smp")]).toEqual([join(directory, "kernel"), "512", "3"]);
    expect(flag("-append").split(" ")).toContain("quiet");
  });

  it("has a GiB and two processors otherwise, and a name of its own", async () => {
    const { flag, running } = await started({ name: undefined });
    expect([flag("-m"), flag("-smp")]).toEqual(["1024", "2"]);
    // Nobody is let in but with the key that is made for it.
    const encoded = /smolvm\.authorized_key_b64=(\S+)/.exec(flag("-append"))![1]!;
    const made = readFileSync(`${keyOf(running.machine.name)}.pub`, "utf8");
    expect(Buffer.from(encoded, "base64").toString()).toBe(made);
    expect(running.machine.name).toMatch(/^codex-[0-9a-f]{4}$/);
  });

  it("is recorded with what it was made from, and found by that", async () => {
    const before = Date.now() - 1000;
    const { running } = await started();
    const { machine } = running;
    expect(machine).toMatchObject({
      ...{ schema_version: 1, name: "work", vmm: "qemu", image: "codex", flavor: "alpine" },
      ...{ host: "127.0.0.1", rootfs: image },
    });
    expect(Date.parse(machine.started_at)).toBeGreaterThan(before);
    expect(await machines()).toEqual([machine]);
    expect(running.bootMs).toBeGreaterThan(0);
  });

  it("lets in the key that is made for it, which only its user can read, and the user's own", async () => {
    const own = `ssh-ed25519 ${"A".repeat(68)} me`;
    const { flag } = await started({ key: own });
    const encoded = /smolvm\.authorized_key_b64=(\S+)/.exec(flag("-append"))![1]!;
    const made = readFileSync(`${keyOf("work")}.pub`, "utf8").trim();
    expect(Buffer.from(encoded, "base64").toString().trim().split("\n")).toEqual([made, own]);
    expect(statSync(keyOf("work")).mode & 0o777).toBe(0o600);
    expect(readFileSync(keyOf("work"), "utf8")).toContain("PRIVATE KEY");
  });

  it("says that it boots, and leaves nothing when it is stopped", async () => {
    const run = recordedRun();
    await started({}, run);
    expect(run.steps).toContain("boot");
    await left.pop()!.stop();
    expect(run.warnings).toEqual([]);
    expect(readdirSync(join(directory, "machines"))).toEqual([]);
    expect(await machines()).toEqual([]);
  });

  it("that is released runs on, and does not keep this process busy", async () => {
    const before = busy();
    const { running } = await started();
    expect(busy()).toBeGreaterThan(before);
    left.pop()!.release();
    await expect.poll(busy).toBeLessThanOrEqual(before);
    expect(isRunning(running.machine.process)).toBe(true);
    await stopMachine(running.machine, recordedRun());
  });

  it("that does not power off in its time is ended, which is said", async () => {
    vi.stubEnv("FAKE_QEMU_TCG", "stays");
    const run = recordedRun();
    const { running } = await started({}, run);
    left.pop();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const stopping = running.stop();
    await vi.advanceTimersByTimeAsync(20_000);
    vi.useRealTimers();
    await stopping;
    expect(run.warnings).toEqual(["work does not power off, so its process is killed"]);
    expect(isRunning(running.machine.process)).toBe(false);
    expect(readdirSync(join(directory, "machines"))).toEqual([]);
  });

  it("does not take the place of a file that is in its name", async () => {
    mkdirSync(directoryOf("work"), { recursive: true });
    writeFileSync(join(directoryOf("work"), "thesis.txt"), "all of it");
    await expect(started()).rejects.toThrow("is not the directory of a machine");
    expect(readFileSync(join(directoryOf("work"), "thesis.txt"), "utf8")).toBe("all of it");
  });
});

describe("a machine's disk", () => {
  it("is the image, which stays as it is, under what the machine writes", async () => {
    const { words, flag } = await started();
    expect(words).toContain(image);
    expect(flag("-drive")).toMatch(/,snapshot=on$/);
    expect(readdirSync(directoryOf("work"))).not.toContain("rootfs.ext4");
  });

  it("is a copy that is as large as it is to be", async () => {
    const before = readFileSync(image);
    const { words, flag } = await started({ diskMib: 64 });
    expect(flag("-drive")).toMatch(/,snapshot=off$/);
    const disk = join(directoryOf("work"), "rootfs.ext4");
    expect(words).toContain(disk);
    expect(words).not.toContain(image);
    expect(statSync(disk).size).toBe(64 * MIB);
    expect(readFileSync(image).equals(before)).toBe(true);
  });

  it("may be as large as the image", async () => {
    truncateSync(image, 100 * MIB);
    await started({ diskMib: 100 });
    expect(statSync(join(directoryOf("work"), "rootfs.ext4")).size).toBe(100 * MIB);
  });

  it("may not be smaller than the image, and then there is no machine", async () => {
    const run = recordedRun();
    writeFileSync(image, Buffer.alloc(100 * MIB + 1));
    await expect(started({ diskMib: 100 }, run)).rejects.toThrow(
      "--disk 100M is smaller than the image (101M)",
    );
    expect(readdirSync(join(directory, "machines"))).toEqual([]);
  });
});

describe("a machine that keeps running", () => {
  it("is powered off by another process, cleanly, and nothing is left of it", async () => {
    const { running } = await started();
    left.pop()!.release();
    const run = recordedRun();
    await stopMachine(running.machine, run);
    expect(run.warnings).toEqual([]);
    expect(isRunning(running.machine.process)).toBe(false);
    expect(readdirSync(join(directory, "machines"))).toEqual([]);
  });

  it("is ended where nobody can log in any more, and the reason is said", async () => {
    const { running } = await started();
    left.pop()!.release();
    rmSync(keyOf("work"));
    const run = recordedRun();
    await stopMachine(running.machine, run);
    expect(run.warnings).toEqual([
      expect.stringMatching(/^work: .*ENOENT/),
      "work does not power off, so its process is killed",
    ]);
    await expect.poll(() => isRunning(running.machine.process)).toBe(false);
    expect(readdirSync(join(directory, "machines"))).toEqual([]);
  });

  it("is powered off cleanly also where nobody listens at its control socket", async () => {
    const { running } = await started();
    left.pop()!.release();
    rmSync(join(directoryOf("work"), "qmp"));
    const run = recordedRun();
    await stopMachine(running.machine, run);
    expect(run.warnings).toEqual([]);
    expect(isRunning(running.machine.process)).toBe(false);
  });

  it("and has ended meanwhile is cleared away, and no process is ended in its place", async () => {
    const { running } = await started();
    left.pop()!.release();
    process.kill(pidOf(running.machine.process), "SIGKILL");
    await expect.poll(() => isRunning(running.machine.process)).toBe(false);
    await stopMachine(running.machine, recordedRun());
    expect(readdirSync(join(directory, "machines"))).toEqual([]);
  });

  it("whose guest QEMU has stopped is ended at once, with QEMU's reason", async () => {
    vi.stubEnv("FAKE_QEMU_TCG", "io-error");
    const { running } = await started();
    left.pop()!.release();
    const { host, port, process: identity } = running.machine;
    const privateKey = readFileSync(keyOf("work"), "utf8");
    const { signal } = new AbortController();
    const client = await attempt({ host, port, privateKey }, signal);
    runCommand(client, ["touch", "/x"], signal).catch(() => {});
    const run = recordedRun();
    await stopMachine(running.machine, run);
    client.destroy();
    expect(run.warnings).toEqual([
      expect.stringMatching(/^work: QEMU has stopped the guest \(io-error\)/),
      "work does not power off, so its process is killed",
    ]);
    await expect.poll(() => isRunning(identity)).toBe(false);
  });

  it("stays as it is when the command that stops it is interrupted, which then holds nothing of it", async () => {
    const { running } = await started();
    const before = busy();
    const run = recordedRun();
    run.interrupt(new Error("Ctrl-C"));
    await expect(stopMachine(running.machine, run)).rejects.toThrow("Ctrl-C");
    await expect.poll(busy).toBeLessThanOrEqual(before);
    expect(isRunning(running.machine.process)).toBe(true);
    expect(await machines()).toEqual([running.machine]);
  });

  it("is waited for no longer when that command is interrupted while it powers off", async () => {
    vi.stubEnv("FAKE_QEMU_TCG", "stays");
    const { running } = await started();
    left.pop()!.release();
    const { process: identity } = running.machine;
    onTestFinished(() => void process.kill(pidOf(identity), "SIGKILL"));
    const run = recordedRun();
    const stopping = stopMachine(running.machine, run);
    stopping.catch(() => {});
    await expect.poll(() => qemu.started).toContain("told to power off");
    run.interrupt(new Error("Ctrl-C"));
    await expect(stopping).rejects.toThrow("Ctrl-C");
    expect(isRunning(identity)).toBe(true);
    expect(await machines()).toEqual([running.machine]);
  });
});

describe("a Firecracker machine", () => {
  /** What a start that comes to nothing, because Firecracker ends, has told Firecracker before. */
  async function refused(more: Partial<StartOptions> = {}, says = "") {
    const firecracker = new FakeFirecracker(directory, says);
    vi.stubEnv("PATH", `${firecracker.bin}:${process.env.PATH}`);
    const run = recordedRun();
    const error = await started({ vmm: "firecracker", tap: "tap7", accel: undefined, ...more }, run).catch(
      (reason) => reason,
    );
    return { error, run, calls: firecracker.calls };
  }

  it("has the network, and a copy of the image: what it writes is not seen by others", async () => {
    const before = readFileSync(image);
    const { error, calls } = await refused({ memoryMib: 512, cpus: 3 }, "Linux version 6.12");
    expect(error.message).toMatch(/^the machine ended before it could be used/);
    const disk = join(directoryOf("work"), "rootfs.ext4");
    expect(calls.get("/drives/rootfs")).toMatchObject({ path_on_host: disk, size: before.length });
    expect(calls.get("/machine-config")).toEqual({ vcpu_count: 3, mem_size_mib: 512 });
    expect(calls.get("/network-interfaces/eth0")).toMatchObject({ host_dev_name: "tap7" });
    expect(readFileSync(image).equals(before)).toBe(true);
    expect(readdirSync(join(directory, "machines"))).toEqual([]);
  });

  it("is as large as it is to be", async () => {
    const { calls } = await refused({ diskMib: 64 }, "Linux version 6.12");
    expect(calls.get("/drives/rootfs")).toMatchObject({ size: 64 * MIB });
  });

  it("whose guest does not run is not emulated: the reason is said, and it is started once", async () => {
    const { error, run, calls } = await refused();
    expect(error.message).toBe("the machine ended before it could be used, and its guest printed nothing");
    expect(calls.get("starts")).toBe(1);
    expect(run.warnings).toEqual([]);
    expect(qemu.started).toEqual([]);
  });
});
