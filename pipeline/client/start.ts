import { randomBytes } from "node:crypto";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PipelineError } from "../schema/error.ts";
import type { Arch, Vmm } from "../schema/names.ts";
import type { Run } from "../schema/progress.ts";
import { type Accel, probeAccel } from "../vm/accel.ts";
import { QemuMachine } from "../vm/qemu.ts";
import { generateKey, type KeyPair, keyParameter, login, runCommand } from "../vm/ssh.ts";
import { copyDisk, growDisk } from "./disk.ts";
import { identityOf } from "./lock.ts";
import type { LocalImage } from "./pull.ts";
import { claim, keyOf, type Machine, register } from "./registry.ts";

/** How a machine is to be. */
export interface StartOptions {
  /** @default a made-up one */
  readonly name?: string | undefined;
  readonly arch: Arch;
  readonly vmm: Vmm;
  /** For listings: the preset, or `base`. */
  readonly image: string;
  readonly flavor: string;
  readonly memoryMib?: number | undefined;
  readonly cpus?: number | undefined;
  /** How large its disk is to be. @default as the image is */
  readonly diskMib?: number | undefined;
  /** A public key that is let in as well: a file. */
  readonly key?: string | undefined;
}

/** A machine that lets us in. */
export interface Started {
  readonly machine: Machine;
  /** From the start of the VMM: until PID 1 was ready, and from then until SSH let us in, ms. */
  readonly bootMs: number;
  readonly readyMs: number;
  /** Lets go of it: it runs on. */
  release(): void;
  /** Ends it, cleanly if it can, and removes what it left. */
  stop(): Promise<void>;
}

/** From start to login, ms. */
const TIMEOUT_MS = { kvm: 60_000, tcg: 300_000 } as const;
/** A machine that is told to power off has this long, ms. */
const POWER_OFF_MS = 20_000;
const CONSOLE_LINES = 20;

/**
 * Starts a machine from an image that stays as it is, and waits until its SSH lets us in.
 * @throws PipelineError with the console's last lines
 */
export async function start(image: LocalImage, options: StartOptions, run: Run): Promise<Started> {
  if (options.vmm !== "qemu")
    throw new PipelineError(`${options.vmm} is not started here yet: use --vmm qemu`);
  const name = options.name ?? `${options.image}-${randomBytes(2).toString("hex")}`;
  const key = generateKey();
  const authorized = [key.publicKey, ...(options.key ? [await readPublicKey(options.key)] : [])];
  const directory = await claim(name);
  try {
    await writeFile(keyOf(name), key.privateKey, { mode: 0o600 });
    await writeFile(`${keyOf(name)}.pub`, `${key.publicKey}\n`);
    const disk = await prepareDisk(image, options, directory);
    const boot = { image, options, directory, disk, authorized, key, name };
    const { accel, why } = await probeAccel(options.arch);
    if (accel === "tcg") run.progress.warn(`no KVM, because ${why}: QEMU emulates, which is slower`);
    return await bootQemu(boot, accel, run);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

interface Boot {
  readonly image: LocalImage;
  readonly options: StartOptions;
  readonly directory: string;
  readonly disk: { readonly path: string; readonly writes: "overlay" | "image" };
  readonly authorized: readonly string[];
  readonly key: KeyPair;
  readonly name: string;
}

/** The image itself, under an overlay; or a larger copy of it. */
async function prepareDisk(
  { rootfsPath }: LocalImage,
  { diskMib }: StartOptions,
  directory: string,
): Promise<Boot["disk"]> {
  if (diskMib === undefined) return { path: rootfsPath, writes: "overlay" };
  const path = join(directory, "rootfs.ext4");
  const nowMib = Math.ceil((await stat(rootfsPath)).size / 2 ** 20);
  if (diskMib < nowMib) throw new PipelineError(`--disk ${diskMib}M is less than the image has: ${nowMib}M`);
  await copyDisk(rootfsPath, path);
  await growDisk(path, diskMib);
  return { path, writes: "image" };
}

async function readPublicKey(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause) => {
    throw new PipelineError(`cannot read the key ${path}: ${(cause as Error).message}`, { cause });
  });
  if (/^(ssh-(ed25519|rsa)|ecdsa-sha2-\S+|sk-\S+) \S+/.test(text)) return text.trim();
  throw new PipelineError(`${path} is no SSH public key: give the file that ends in .pub`);
}

async function bootQemu(boot: Boot, accel: Accel, run: Run): Promise<Started> {
  const { options, directory, disk, key, name } = boot;
  run.progress.step("boot");
  const started = performance.now();
  const consoleLog = join(directory, "console.log");
  const machine = await QemuMachine.start({
    ...{ arch: options.arch, accel, kernel: boot.image.kernelPath },
    ...{ disk: disk.path, writes: disk.writes, memoryMib: options.memoryMib, cpus: options.cpus },
    ...{ internet: true, outlives: directory, consoleLog },
    cmdline: ["quiet", keyParameter(boot.authorized.join("\n"))],
  });
  const gone = new AbortController();
  void machine.exited.then(() => gone.abort());
  const deadline = AbortSignal.timeout(TIMEOUT_MS[accel]);
  const signal = AbortSignal.any([run.signal, deadline, gone.signal]);
  try {
    // QEMU's network takes a connection before the guest does, and then asks the guest again after 6 s alone.
    await machine.console.waitFor(/SMOLVM_TS stage=ready/, signal);
    const bootMs = performance.now() - started;
    const client = await login(machine.sshPort!, key, signal);
    const readyMs = performance.now() - started - bootMs;
    client.on("error", () => {});
    const record: Machine = {
      ...{ schema_version: 1, name, vmm: options.vmm, image: options.image, flavor: options.flavor },
      ...{ process: identityOf(machine.pid), host: "127.0.0.1", port: machine.sshPort! },
      ...{ rootfs: boot.image.rootfsPath, started_at: new Date().toISOString() },
    };
    await register(record);
    return {
      ...{ machine: record, bootMs, readyMs },
      release: () => {
        client.end();
        machine.release();
      },
      stop: async () => {
        const limit = AbortSignal.timeout(POWER_OFF_MS);
        runCommand(client, ["kill", "-TERM", "1"], limit).catch(() => {});
        await Promise.race([
          machine.exited,
          new Promise((resolve) => limit.addEventListener("abort", resolve)),
        ]);
        client.destroy();
        await machine.destroy();
      },
    };
  } catch (error) {
    const tail = machine.console.tail(CONSOLE_LINES).map((line) => `  ${line}`);
    await machine.destroy();
    run.signal.throwIfAborted();
    if (error instanceof PipelineError) throw error;
    const why = gone.signal.aborted
      ? "the machine ended before it let us in"
      : `the machine did not let us in within ${TIMEOUT_MS[accel] / 1000} s`;
    throw new PipelineError(why, { details: tail, cause: error });
  }
}
