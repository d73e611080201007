import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { declareImages } from "../../pipeline/images.ts";
import { EMULATORS } from "../../pipeline/vm/accel.ts";
import type { QemuMachine } from "../../pipeline/vm/qemu/machine.ts";
import { Qmp } from "../../pipeline/vm/qemu/qmp.ts";
import { generateKey, keyParameter, login, runCommand } from "../../pipeline/vm/ssh.ts";
import { startMachine } from "../support/machine.ts";
import { cli, Project } from "../support/project.ts";

const BASE = "base-amd64-debian";
const MEMORY_MIB = 1024;
const BALLOON_MIB = 512;
/** Far from now, so that a guest with this time can only have it from the machine's real-time clock. */
const RTC = "2031-05-06T07:08:09";
/** Longer than ISO 9660 allows, and in mixed case: only an extension can name a file so. */
const LONG_NAME = "Seed with a long name.yaml";
/** Long enough for a boot under emulation beside other work, ms. */
const PATIENCE_MS = 240_000;

const scratch = mkdtempSync(join(tmpdir(), "smolvm-features-"));
const shared = join(scratch, "shared");
const readOnly = join(scratch, "read-only");

let virtiofsd: Awaited<ReturnType<typeof startVirtiofsd>>;
let project: Project;
let machine: QemuMachine;
let qmp: Qmp;
let client: Awaited<ReturnType<typeof login>>;

/** Runs a script in the guest. Returns its exit code and output. */
const run = (script: string) => runCommand(client, ["sh", "-ec", script], AbortSignal.timeout(PATIENCE_MS));
/** The output of a script that must succeed. */
async function output(script: string): Promise<string> {
  const ended = await run(script);
  expect(ended.exitCode, ended.output).toBe(0);
  return ended.output.trim();
}
const python = (script: string) => output(`python3 - <<'END'\n${script}\nEND`);

beforeAll(async () => {
  project = new Project(declareImages);
  const built = await cli(project.root, ["cell", "kernel-amd64", BASE, "--stage", "build", "--level", "1"]);
  expect(built.exitCode, built.stderr).toBe(0);

  for (const directory of [shared, readOnly]) {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "from-host"), "hello");
  }
  const seed = join(scratch, "seed");
  mkdirSync(seed);
  writeFileSync(join(seed, LONG_NAME), "hello");
  execFileSync("genisoimage", ["-quiet", "-J", "-V", "cidata", "-o", join(scratch, "seed.iso"), seed]);

  virtiofsd = await startVirtiofsd();
  addDevices([
    ...["-qmp", `unix:${join(scratch, "qmp")},server=on,wait=off`, "-rtc", `base=${RTC}`],
    // The options of SmolVM's --mount: its src/smolvm/runtime/qemu_args.py.
    ...share("shared", shared, ""),
    ...share("read-only", readOnly, ",readonly=on"),
    ...["-device", "virtio-balloon-pci"],
    ...["-drive", `file=${join(scratch, "seed.iso")},format=raw,if=none,id=seed,readonly=on`],
    ...["-device", "virtio-blk-pci,drive=seed"],
    ...(virtiofsd
      ? [
          // The daemon reads and writes the guest's memory.
          ...["-object", `memory-backend-memfd,id=memory,size=${MEMORY_MIB}M,share=on`],
          ...["-machine", "memory-backend=memory", "-chardev", `socket,id=fs,path=${virtiofsd.socket}`],
          ...["-device", "vhost-user-fs-pci,chardev=fs,tag=virtio-fs"],
        ]
      : []),
  ]);
  const key = generateKey();
  machine = await startMachine({
    ...{ arch: "amd64", disk: join(project.root, "out/images", BASE, "rootfs.ext4") },
    ...{ kernel: project.kernel("amd64").kernel, memoryMib: MEMORY_MIB },
    ...{ cmdline: [keyParameter(key.publicKey)], consoleLog: join(scratch, "console") },
  });
  qmp = await Qmp.open(join(scratch, "qmp"));
  client = await login(machine.address!, key, AbortSignal.timeout(PATIENCE_MS));
});

afterAll(async () => {
  client?.end();
  qmp?.close();
  await machine?.destroy();
  virtiofsd?.child.kill();
  project?.remove();
  vi.unstubAllEnvs();
  rmSync(scratch, { recursive: true, force: true });
});

describe("a guest with our kernel", () => {
  const mount = (type: string, options: string) => (tag: string, directory: string) =>
    `mkdir -p ${directory}; mount -t ${type} -o ${options} ${tag} ${directory}`;
  const mount9p = mount("9p", "trans=virtio,version=9p2000.L");
  const mountVirtioFs = mount("virtiofs", "rw");

  it("mounts a directory of the host by 9P, and writes to it", async () => {
    const read = await output(
      `${mount9p("shared", "/mnt/9p")}; cat /mnt/9p/from-host; echo hi >/mnt/9p/from-guest`,
    );
    expect(read).toBe("hello");
    expect(readFileSync(join(shared, "from-guest"), "utf8")).toBe("hi\n");
  });

  it("writes over a read-only directory of the host without changing it", async () => {
    const merged = await output(
      `${mount9p("read-only", "/mnt/lower")}; cd /mnt; mkdir upper work merged; ` +
        "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged; " +
        "echo hi >merged/from-guest; cat merged/from-host; ! touch lower/x 2>/dev/null; ls merged",
    );
    expect(merged).toBe("hellofrom-guest\nfrom-host");
    expect(readdirSync(readOnly)).toEqual(["from-host"]);
  });

  it("has a driver of virtio-fs", async () => {
    expect(await output("cat /proc/filesystems")).toContain("virtiofs");
  });

  it("mounts a directory of the host by virtio-fs, and writes to it", async (context) => {
    if (!virtiofsd) return context.skip("no virtiofsd can run here");
    const read = await output(
      `${mountVirtioFs("virtio-fs", "/mnt/fs")}; cat /mnt/fs/from-host; echo hi >/mnt/fs/by-virtio-fs`,
    );
    expect(read).toBe("hello");
    expect(readFileSync(join(shared, "by-virtio-fs"), "utf8")).toBe("hi\n");
  });

  it.each([
    ["9P", mount9p],
    ["virtio-fs", mountVirtioFs],
  ])(
    "refuses a mount tag that is not there, by %s, with a line that names it, and lives on",
    async (_, mountTag) => {
      const { exitCode, output: said } = await run(mountTag("nowhere", "/mnt/nowhere"));
      expect(exitCode).not.toBe(0);
      expect(said.trim().split("\n")[0]).toMatch(/^mount: \/mnt\/nowhere: .*\bnowhere\b/);
      const log = await output("dmesg");
      expect(log).toMatch(/no channels available for device nowhere|tag <nowhere> not found/);
      expect(log).not.toMatch(/Oops|BUG:|WARNING:/);
    },
  );

  it("gives memory back when the host blows up its balloon, and takes it again", async () => {
    const total = async () =>
      Number(/MemTotal: +(\d+) kB/.exec(await output("cat /proc/meminfo"))?.[1]) / 1024;
    const before = await total();
    expect(before).toBeGreaterThan(BALLOON_MIB + 100);
    await qmp.execute("balloon", { value: BALLOON_MIB * 2 ** 20 });
    await until(async () => (await total()) < before - (MEMORY_MIB - BALLOON_MIB) + 16);
    await qmp.execute("balloon", { value: MEMORY_MIB * 2 ** 20 });
    await until(async () => (await total()) > before - 16);
  });

  it("reads a disk in the format ISO 9660, with long names by Joliet", async () => {
    const list = (options: string) =>
      output(
        `mkdir -p /mnt/iso; mount -t iso9660 -o ro,${options} /dev/vdb /mnt/iso; ls /mnt/iso; umount /mnt/iso`,
      );
    expect(await list("norock")).toBe(LONG_NAME);
    expect(await list("norock,nojoliet")).toMatch(/^[a-z0-9_]{1,8}\.[a-z]{3}$/);
  });

  it("has the time of the machine's real-time clock, which programs can read", async () => {
    const clocks = await python(`
import fcntl, struct, time, calendar
with open("/dev/rtc0") as rtc:
    year, month, day = 5, 4, 3
    fields = struct.unpack("9i", fcntl.ioctl(rtc, 0x80247009, bytes(36)))
    read = calendar.timegm((fields[year] + 1900, fields[month] + 1, fields[day], *fields[2::-1]))
print(int(time.time()), read)
`);
    const [system, rtc] = clocks.split(" ").map(Number);
    const base = Date.parse(`${RTC}Z`) / 1000;
    expect(system).toBeGreaterThanOrEqual(base);
    // The tests before this one, and a slow machine, take their time.
    expect(system).toBeLessThan(base + 86_400);
    expect(Math.abs(system! - rtc!)).toBeLessThanOrEqual(2);
  });

  it("has the host's clock as a PTP clock, where KVM runs it", async () => {
    expect(await output("zcat /proc/config.gz")).toContain("\nCONFIG_PTP_1588_CLOCK_KVM=y\n");
    const clocks = await output("cat /sys/devices/system/clocksource/clocksource0/available_clocksource");
    const ptp = await output("cat /sys/class/ptp/ptp0/clock_name 2>/dev/null || echo none");
    // KVM pairs clocks only if the host's own clock is the TSC.
    const host = readFileSync("/sys/devices/system/clocksource/clocksource0/current_clocksource", "utf8");
    const pairs = clocks.includes("kvm-clock") && /^(tsc|hyperv_clocksource_tsc_page)$/.test(host.trim());
    expect(pairs ? [ptp] : ["KVM virtual PTP", "none"]).toContain(pairs ? "KVM virtual PTP" : ptp);
  });

  it("has sockets to the host, which an agent can listen on", async () => {
    expect(await output("ls /dev/vsock")).toBe("/dev/vsock");
    const heard = await python(`
import socket
server = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
server.bind((socket.VMADDR_CID_ANY, 1024))
server.listen()
client = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
client.connect((1, 1024))
client.sendall(b"hello")
print(server.accept()[0].recv(5).decode())
`);
    expect(heard).toBe("hello");
  });
});

/** The arguments of QEMU that share a directory by 9P. */
const share = (tag: string, path: string, more: string) => [
  ...["-fsdev", `local,id=${tag},path=${path},security_model=mapped-xattr${more}`],
  ...["-device", `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
];

/** From now on QEMU gets these arguments too. */
function addDevices(args: readonly string[]): void {
  const { program } = EMULATORS.amd64;
  const real = execFileSync("which", [program], { encoding: "utf8" }).trim();
  const bin = join(scratch, "bin");
  mkdirSync(bin);
  const quoted = args.map((each) => `'${each}'`).join(" ");
  writeFileSync(join(bin, program), `#!/bin/sh\nexec '${real}' "$@" ${quoted}\n`, { mode: 0o755 });
  vi.stubEnv("PATH", `${bin}${delimiter}${process.env.PATH}`);
}

/** Starts the daemon that serves a directory by virtio-fs; undefined where there is none that this user can run. */
async function startVirtiofsd(): Promise<{ child: ChildProcess; socket: string } | undefined> {
  const socket = join(scratch, "virtiofsd");
  // The one in Rust, and QEMU's own of earlier releases, which only root can run.
  const rust = "/usr/libexec/virtiofsd";
  const qemus = "/usr/lib/qemu/virtiofsd";
  const start = async (program: string, ...args: string[]) => {
    const child = spawn(program, [`--socket-path=${socket}`, ...args], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr!.on("data", (chunk: Buffer) => {
      said += chunk.toString("utf8");
    });
    await until(async () => existsSync(socket) || child.exitCode !== null);
    expect(child.exitCode, said).toBe(null);
    return { child, socket };
  };
  if (existsSync(rust)) return await start(rust, "--shared-dir", shared, "--sandbox", "none");
  if (existsSync(qemus) && process.getuid?.() === 0)
    return await start(qemus, "-o", `source=${shared}`, "-f");
  console.warn("No virtiofsd can run here: virtio-fs is not mounted, its driver is only looked for.");
  return undefined;
}

/** Waits until a condition holds. It is asked for again as long as the test may run. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const late = AbortSignal.timeout(PATIENCE_MS);
  while (!(await holds())) {
    late.throwIfAborted();
    await setTimeout(100);
  }
}
