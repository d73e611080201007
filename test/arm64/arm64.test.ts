import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { declareImages } from "../../pipeline/images.ts";
import { readCells } from "../../pipeline/runtime/read-cells.ts";
import { KernelFacts, RootfsFacts } from "../../pipeline/schema/facts.ts";
import { generateKey, keyParameter, login, runCommand } from "../../pipeline/vm/ssh.ts";
import { startMachine } from "../support/machine.ts";
import { cli, type Ended, Project } from "../support/project.ts";

const KERNEL = "kernel-arm64";
const BASE = "base-arm64-debian";
const CODEX = "codex-arm64-debian";

let project: Project;
let store: string;
beforeAll(() => {
  project = new Project(declareImages);
  store = mkdtempSync(join(tmpdir(), "smolvm-arm64-"));
});
afterAll(() => {
  project.remove();
  rmSync(store, { recursive: true, force: true });
});

/** Runs `cell`, and prints what it says: each step takes minutes under emulation. */
async function cell(...args: string[]): Promise<Ended> {
  const ended = await cli(project.root, ["cell", ...args, "--store", `dir:${store}`]);
  process.stderr.write(ended.stderr);
  expect(ended.exitCode, ended.stderr).toBe(0);
  return ended;
}
const recordOf = (asset: string) => JSON.parse(readFileSync(join(store, `${asset}.json`), "utf8"));
const factsOf = (id: string) => RootfsFacts.parse(recordOf(`${id}-rootfs.ext4.zst`));
const emulated = process.arch !== "arm64";

describe("arm64, from the archive to staged images", () => {
  it("builds a kernel, a base and a preset, whose container images are labelled arm64, and says that it emulates", async () => {
    const { stderr } = await cell(KERNEL, BASE, CODEX, "--stage", "build", "--level", "1");
    if (emulated) expect(stderr).toContain(`takes minutes longer: ${KERNEL}, ${BASE}, ${CODEX}`);
    for (const id of [BASE, CODEX]) {
      const { inputs } = readCells(project.root).cells.find((each) => each.id === id)!;
      const image = new Docker().getImage(`smolvm/${id}:${inputs.slice(0, 12)}`);
      expect((await image.inspect()).Architecture).toBe("arm64");
    }
  });

  it("runs arm64 programs in the booted machine: the distribution's, Node and the preset's", async () => {
    const key = generateKey();
    const machine = await startMachine({
      ...{ arch: "arm64", disk: join(project.root, "out/images", CODEX, "rootfs.ext4") },
      ...{ kernel: project.kernel("arm64").kernel, consoleLog: join(project.root, "console.log") },
      cmdline: [keyParameter(key.publicKey)],
    });
    try {
      const patience = AbortSignal.timeout(10 * 60_000);
      const client = await login(machine.address!, key, patience);
      const script = "uname -m; dpkg --print-architecture; node -p process.arch; codex --version";
      const { output } = await runCommand(client, ["sh", "-c", script], patience);
      expect(output).toMatch(/^aarch64\narm64\narm64\ncodex-cli \d+\.\d+\.\d+\n$/);
      client.end();
    } finally {
      await machine.destroy();
    }
  });

  it("boots, logs in, checks and audits both, and stages them with their facts", async () => {
    await cell(BASE, CODEX, "--stage", "verify");
    for (const id of [BASE, CODEX]) {
      expect(factsOf(id)).toMatchObject({
        ...{ id, arch: "arm64", boot: { vmm: "qemu", ready_uptime_s: expect.any(Number) } },
        // Every VMM starts the image on arm64.
        proven: expect.arrayContaining(
          ["pci", "mmio"].map((machine) => expect.objectContaining({ machine, format: "image" })),
        ),
      });
    }
    expect(factsOf(BASE).boot.check).toBeNull();
    expect(factsOf(CODEX).boot.check?.output).toMatch(/^codex-cli \d+\.\d+\.\d+$/);
    expect(factsOf(CODEX).packages).toContainEqual(
      // npm installs codex's platform package under the name of codex itself.
      expect.objectContaining({ type: "npm", version: expect.stringMatching(/-linux-arm64$/) }),
    );
  });

  it("proves the kernel with the base, on a PCI and on an MMIO machine", async () => {
    await cell(KERNEL);
    const booted = ["image", "elf"].map((format) => KernelFacts.parse(recordOf(`vmlinux-arm64.${format}`)));
    for (const [index, machine] of ["pci", "mmio"].entries()) {
      // QEMU starts only an Image on arm64: Documentation/arch/arm64/booting.rst.
      expect(booted[index]!.boot).toContainEqual(
        expect.objectContaining({ machine, started: "image", rootfs: expect.objectContaining({ id: BASE }) }),
      );
    }
    const read = (name: string) => readFileSync(join(store, name));
    expect(read("vmlinux-arm64.image").subarray(56, 60).toString("latin1")).toBe("ARM\x64");
    expect(read("vmlinux-arm64.elf").subarray(0, 5).toString("latin1")).toBe("\x7fELF\x02");
  });
});
