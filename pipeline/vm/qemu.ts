import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, createWriteStream, existsSync, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorCode, PipelineError } from "../schema/error.ts";
import type { Arch } from "../schema/names.ts";
import { type Accel, EMULATORS } from "./accel.ts";
import { Console, follow } from "./console.ts";
import { Qmp } from "./qmp.ts";

/**
 * Where a machine's virtio devices sit: on PCI, as on QEMU's usual machines, or on MMIO, as in Firecracker
 * (on amd64 that is QEMU's microvm, which starts an ELF kernel by PVH).
 */
export type Bus = "pci" | "mmio";

export interface QemuOptions {
  readonly arch: Arch;
  readonly accel: Accel;
  /** @default pci */
  readonly bus?: Bus | undefined;
  readonly kernel: string;
  readonly initrd?: string | undefined;
  /** The root file system's image. @default no disk */
  readonly disk?: string;
  /** Where writes go: to a throwaway overlay, or to the image itself. @default overlay */
  readonly writes?: "overlay" | "image";
  /** @default 1024 */
  readonly memoryMib?: number | undefined;
  /** @default 2 */
  readonly cpus?: number | undefined;
  /** Appended to what every machine boots with. */
  readonly cmdline: readonly string[];
  /** Whether it has a network card, by which its SSH port is reached. @default true */
  readonly network?: boolean;
  /** Whether the guest reaches more than us. @default false */
  readonly internet?: boolean;
  /**
   * A directory for what belongs to a machine that outlives this process: `qmp`, its control socket. Its console is then
   * the log itself. @default it ends with this process
   */
  readonly outlives?: string;
  /** Where the console's output is kept. */
  readonly consoleLog: string;
}

/**
 * Emulated CPUs take turns in one thread. In threads of their own (QEMU 7.2's default) one of them now and then runs code
 * that another has just patched: "Oops: int3" in 2 of 85 boots, against none in 70, which took as long.
 */
const ACCELERATORS: Record<Accel, string> = { kvm: "kvm", tcg: "tcg,thread=single" };
const MEMORY_MIB = 1024;
const CPUS = 2;
/** The address that QEMU's user network gives its one guest. */
const GUEST_IP = "ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off:10.0.2.3";

/** A running machine: its console, the loopback port that leads to its SSH, and its end. */
export class QemuMachine {
  readonly console: Console;
  readonly qmp: Qmp;
  /** Port on 127.0.0.1 that leads to the guest's port 22; undefined without a network. */
  readonly sshPort: number | undefined;
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #directory: string;

  /** Starts QEMU. @throws PipelineError when it is missing or ends at once */
  static async start(options: QemuOptions): Promise<QemuMachine> {
    const directory = options.outlives ?? (await mkdtemp(join(tmpdir(), "smolvm-vm-")));
    const socket = join(directory, "qmp");
    const { program } = EMULATORS[options.arch];
    const log = options.outlives === undefined ? undefined : openSync(options.consoleLog, "w");
    const child = spawn(program, qemuArgs(options, socket), {
      detached: log !== undefined,
      stdio: ["ignore", log ?? "pipe", "pipe"],
    });
    if (log !== undefined) closeSync(log);
    const exited = new Promise<number | null>((resolve) => {
      child.once("error", () => resolve(null));
      child.once("close", resolve);
    });
    let failure: Error | undefined;
    let stderr = "";
    child.once("error", (error) => {
      failure = error;
    });
    child.stderr!.on("data", (chunk: Buffer) => {
      stderr += chunk.toString("utf8");
    });
    const output = child.stdout
      ? new Console(child.stdout, createWriteStream(options.consoleLog))
      : new Console(follow(options.consoleLog, exited));
    try {
      const running = () => !failure && child.exitCode === null && child.signalCode === null;
      const qmp = await openQmp(socket, exited, running);
      const sshPort =
        options.network === false ? undefined : forwardedPort(await qmp.monitor("info usernet"));
      return new QemuMachine(child, output, qmp, sshPort, exited, directory);
    } catch (cause) {
      child.kill("SIGKILL");
      await exited;
      await rm(directory, { recursive: true, force: true });
      if (errorCode(failure) === "ENOENT") {
        throw new PipelineError(
          `${program} is not installed: \`bash scripts/setup.sh\` installs what a boot needs`,
        );
      }
      throw new PipelineError(
        `QEMU ended at once: ${stderr.trim().split("\n").at(-1) || "it said nothing"}`,
        { cause },
      );
    }
  }

  private constructor(
    child: ChildProcess,
    output: Console,
    qmp: Qmp,
    sshPort: number | undefined,
    exited: Promise<number | null>,
    directory: string,
  ) {
    this.#child = child;
    this.console = output;
    this.qmp = qmp;
    this.sshPort = sshPort;
    this.exited = exited;
    this.#directory = directory;
  }

  /** Where its SSH is; only of a machine with a network. */
  get address(): { host: string; port: number } {
    return { host: "127.0.0.1", port: this.sshPort! };
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Lets go of a machine that outlives this process. */
  release(): void {
    this.qmp.close();
    this.console.close();
    this.#child.stderr?.destroy();
    this.#child.unref();
  }

  /** Ends the machine at once, if it has not ended, and removes what it left. */
  async destroy(): Promise<void> {
    this.qmp.close();
    this.#child.kill("SIGKILL");
    await this.exited;
    await rm(this.#directory, { recursive: true, force: true });
  }
}

function qemuArgs(options: QemuOptions, socket: string): string[] {
  const { machines, console } = EMULATORS[options.arch];
  const { bus = "pci", network = true, disk } = options;
  const { machine, reboot, devices } = machines[bus];
  const cmdline = [
    `console=${console} reboot=${reboot} panic=1`,
    ...(disk === undefined ? [] : ["root=/dev/vda rw init=/init"]),
    ...(network ? [GUEST_IP] : []),
    ...options.cmdline,
  ];
  return [
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    ...["-machine", machine, "-accel", ACCELERATORS[options.accel]],
    ...["-cpu", options.accel === "kvm" ? "host" : "max"],
    ...["-smp", String(options.cpus ?? CPUS), "-m", String(options.memoryMib ?? MEMORY_MIB)],
    ...["-kernel", options.kernel, ...(options.initrd ? ["-initrd", options.initrd] : [])],
    ...["-append", cmdline.join(" ")],
    ...(disk === undefined
      ? []
      : [
          ...[
            "-drive",
            `file=${disk.replaceAll(",", ",,")},format=raw,if=none,id=root,snapshot=${options.writes === "image" ? "off" : "on"}`,
          ],
          ...["-device", `virtio-blk-${devices},drive=root`],
        ]),
    ...["-device", `virtio-rng-${devices}`],
    ...(network
      ? [
          ...[
            "-netdev",
            `user,id=net,restrict=${options.internet ? "off" : "on"},hostfwd=tcp:127.0.0.1:0-:22`,
          ],
          ...["-device", `virtio-net-${devices},netdev=net`],
        ]
      : []),
    ...["-serial", "stdio", "-qmp", `unix:${socket},server=on,wait=off`],
  ];
}

/** Connects as soon as QEMU has made its socket; fails when QEMU has ended instead. */
async function openQmp(socket: string, exited: Promise<unknown>, running: () => boolean): Promise<Qmp> {
  while (running()) {
    if (existsSync(socket)) {
      try {
        return await Qmp.open(socket);
      } catch (error) {
        if (errorCode(error) !== "ECONNREFUSED") throw error;
      }
    }
    await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 20))]);
  }
  throw new Error("QEMU ended");
}

/** The host's port in the table of `info usernet`: `TCP[HOST_FORWARD]  12  127.0.0.1 41234  10.0.2.15  22 …`. */
function forwardedPort(table: string): number {
  const port = /HOST_FORWARD\]\s+\S+\s+\S+\s+(\d+)/.exec(table)?.[1];
  if (!port) throw new Error(`QEMU forwards no port: ${table}`);
  return Number(port);
}
