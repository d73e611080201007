/**
 * Measures boot times: boots the debian base alternately with our kernel and with Debian's, and Debian with systemd, on the
 * same host.
 * `npm run bench -- boot`, or `npm run bench -- boot 9` for nine rounds. Prints a table for docs/measurements.md.
 */
import { mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { buildImage, copyOut } from "../pipeline/image/docker/container-image.ts";
import { makeExt4 } from "../pipeline/image/formats/ext4.ts";
import { toTar } from "../pipeline/image/rootfs/normalise.ts";
import { withRootfs } from "../pipeline/image/rootfs/rootfs.ts";
import { importRootfs } from "../pipeline/image/rootfs/source.ts";
import { handoverOf } from "../pipeline/runtime/kinds/index.ts";
import { ensureKernel } from "../pipeline/runtime/kinds/kernel/cache.ts";
import { IMAGE, makeRootfs } from "../pipeline/runtime/rootfs/image.ts";
import { inWorkDirectory, type Workshop } from "../pipeline/runtime/workshop.ts";
import type { BaseCell } from "../pipeline/schema/cells.ts";
import { ofKind } from "../pipeline/schema/kinds/index.ts";
import { type Accel, withAccelerator } from "../pipeline/vm/accel.ts";
import type { Bus } from "../pipeline/vm/qemu/arguments.ts";
import { QemuMachine } from "../pipeline/vm/qemu/machine.ts";
import { boot } from "../pipeline/vm/session.ts";
import { openBench, run } from "./shared/workshop.ts";

interface Contender {
  readonly name: string;
  readonly kernel: string;
  readonly initrd?: string;
  readonly bus: Bus;
  /** @default the debian base */
  readonly disk?: string;
}

/** Seconds. `init`, `ready` and `answers` are the guest's uptime. */
interface Times {
  readonly init: number;
  readonly ready: number;
  readonly answers: number;
  /** From the start of QEMU to sshd's banner. */
  readonly wall: number;
}

const rounds = Number(process.argv[2] ?? 5);
const { root, cells, network, workshop } = await openBench();
const kernel = ofKind(cells.cells, "kernel").find(({ arch }) => arch === workshop.arch)!;
const ours = await ensureKernel(workshop, kernel);
const SYSTEMD = "ours, image on PCI, with systemd in place of `/init`";
const contenders: Contender[] = [
  { name: "ours, image on PCI", kernel: join(ours.directory, "image"), bus: "pci" },
  ...(workshop.arch === "amd64"
    ? [{ name: "ours, ELF on microvm (MMIO)", kernel: join(ours.directory, "elf"), bus: "mmio" as const }]
    : []),
  { name: "Debian's cloud kernel and an initramfs", ...(await cloudKernel(workshop)), bus: "pci" },
];
const base = cells.cells.find((cell) => cell.id === `base-${workshop.arch}-debian`) as BaseCell;
const times = new Map(contenders.map(({ name }): [string, Times[]] => [name, []]));
const { image } = await handoverOf(workshop).ensure(base);
await inWorkDirectory(workshop, base, async (directory) => {
  await makeRootfs(workshop, base, { image, order: [] }, directory);
  const disk = join(directory, IMAGE);
  const withSystemd = { ...contenders[0]!, name: SYSTEMD, disk: await distroDisk(workshop, directory) };
  contenders.push(withSystemd);
  times.set(SYSTEMD, []);
  // The first boot is not counted. It finds out which accelerator works here.
  const accel = await withAccelerator({ arch: workshop.arch }, run, async (tried) => {
    await measure(contenders[0]!, disk, tried);
    return tried;
  });
  process.stderr.write(`${rounds} rounds with ${accel}\n`);
  for (let round = 1; round <= rounds; round++) {
    run.progress.step(`round ${round}`);
    for (const contender of contenders) {
      times.get(contender.name)!.push(await measure(contender, contender.disk ?? disk, accel));
    }
  }
});

process.stdout.write(
  "| kernel | PID 1 at | ready at | PID 1 to ready | sshd answers at | from the start of QEMU |\n|---|---|---|---|---|---|\n",
);
for (const [name, all] of times) {
  const cell = (key: keyof Times) => spread(all.map((each) => each[key]));
  process.stdout.write(
    `| ${name} | ${cell("init")} | ${cell("ready")} | ${spread(all.map(({ init, ready }) => ready - init))} | ${cell("answers")} | ${cell("wall")} |\n`,
  );
}

/** `1.05 s (1.01-1.20)`: the median, the minimum and the maximum. */
function spread(values: number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, median, high] = [0, (sorted.length - 1) / 2, sorted.length - 1].map((at) =>
    sorted[Math.floor(at)]!.toFixed(2),
  );
  return `${median} s (${low}-${high})`;
}

async function measure({ kernel, initrd, bus }: Contender, disk: string, accel: Accel): Promise<Times> {
  const started = performance.now();
  const consoleLog = join(workshop.cache, "bench.log");
  const options = { ...{ arch: workshop.arch, accel, bus, kernel, initrd, disk, consoleLog }, cmdline: [] };
  const start = (signal: AbortSignal) => QemuMachine.start(options, signal);
  const { machine, watch } = await boot({ accel, start }, run);
  try {
    const marked = performance.now();
    // Connect only now: QEMU's network accepts an earlier connection at once, but retries the guest only after 6 s.
    await firstData(machine.address!.port, watch.signal);
    watch.disarm();
    const banner = performance.now();
    const [init, ready] = [
      machine.console.stageUptime("init-start")!,
      machine.console.stageUptime("init-complete")!,
    ];
    return { init, ready, answers: ready + (banner - marked) / 1000, wall: (banner - started) / 1000 };
  } finally {
    await machine.destroy();
  }
}

/** Resolves when a server on a loopback port sends data. Reconnects until then. */
async function firstData(port: number, patience: AbortSignal): Promise<void> {
  for (;;) {
    patience.throwIfAborted();
    const socket = connect(port, "127.0.0.1");
    const received = await new Promise<boolean>((resolve) => {
      socket.once("data", () => resolve(true));
      socket.once("error", () => resolve(false));
      socket.once("close", () => resolve(false));
    });
    socket.destroy();
    if (received) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Debian with its own init sequence, on a disk. */
async function distroDisk({ docker, arch, tools, epoch, cache }: Workshop, directory: string) {
  const path = "bench/distro-init";
  const source = { arch, sourceDateEpoch: epoch, network, cache, noCache: false };
  const rootfs = await importRootfs(docker, base.sources, source, run);
  const tag = `smolvm/distro-init:${arch}`;
  const files = [
    ...["env", "snapshot"].map((name) => `dockerfiles/network/${name}`),
    ...["init", "eth0.network", "host-key.service", "ready.service"].map((name) => `${path}/${name}`),
  ];
  const recipe = { dockerfile: `${path}/Dockerfile`, files, arch, tag, args: { ROOTFS: rootfs.image } };
  await buildImage(docker, { ...recipe, root, network, noCache: false }, run);
  const options = { arch, directory, tools, baseOrder: [], epoch };
  await withRootfs(docker, tag, options, run, (tree) =>
    makeExt4(
      docker,
      toTar(tree, () => {}),
      {
        directory,
        name: "distro.ext4",
        sizeMib: 2048,
        epoch,
        tools,
        contentBytes: 0,
        sizeKnob: "bench/boot.ts",
      },
      run,
    ),
  );
  return join(directory, "distro.ext4");
}

async function cloudKernel({ docker, arch, tools, cache }: Workshop) {
  const directory = join(cache, `cloud-kernel-${arch}`);
  run.progress.step("fetch Debian's cloud kernel");
  const tag = `smolvm/cloud-kernel:${arch}`;
  const path = "bench/cloud-kernel";
  const files = [
    "dockerfiles/network/env",
    "dockerfiles/network/snapshot",
    `${path}/init`,
    `${path}/make-initrd`,
  ];
  const recipe = { dockerfile: `${path}/Dockerfile`, files, arch, tag, args: { TOOLS: tools } };
  await buildImage(docker, { ...recipe, root, network, noCache: false }, run);
  await mkdir(directory, { recursive: true });
  await copyOut(docker, tag, "/cloud-kernel/out", directory);
  return { kernel: join(directory, "kernel"), initrd: join(directory, "initrd") };
}
