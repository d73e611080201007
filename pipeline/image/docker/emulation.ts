import type Docker from "dockerode";
import { pack } from "tar-stream";
import type { Arch } from "../../schema/names.ts";
import { follow, hasImage, OWNER_LABEL, removeContainer } from "./engine.ts";

/** The exit status of the probe's program. Docker's own failures have other ones (1, 125 to 128, 255). */
const STATUS = 42;

/** The machine of an ELF file, and the instructions of `exit(STATUS)`. */
const PROGRAMS: Record<Arch, { machine: number; code: readonly number[] }> = {
  // mov edi, 42; mov eax, 60; syscall
  amd64: { machine: 62, code: [0xbf, STATUS, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05] },
  // mov x0, 42; mov x8, 93; svc 0
  arm64: {
    machine: 183,
    code: [0x40, 0x05, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4],
  },
};

/**
 * Whether the Docker Engine runs programs of an arch: its own, or one that its machine emulates for containers (with
 * QEMU and binfmt_misc). Runs a container with a program of that arch, because only that proves it. Takes about one second.
 */
export async function runsPrograms(docker: Docker, arch: Arch): Promise<boolean> {
  const image = `smolvm/probe:${arch}`;
  if (!(await hasImage(docker, image))) await importProbe(docker, image, arch);
  const container = await docker.createContainer({
    Image: image,
    Cmd: ["/probe"],
    NetworkDisabled: true,
    Labels: { [OWNER_LABEL]: String(process.pid) },
  });
  try {
    await container.start();
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    return StatusCode === STATUS;
  } catch (error) {
    // Some Engines report at the start that the program cannot be run.
    if (/exec format error|no such file or directory/.test((error as Error).message)) return false;
    throw error;
  } finally {
    await removeContainer(docker, container.id);
  }
}

/** Imports an image with the probe as its only file. (Its label may have another arch: that does not matter to a run.) */
async function importProbe(docker: Docker, image: string, arch: Arch): Promise<void> {
  const tar = pack();
  tar.entry({ name: "probe", mode: 0o755, mtime: new Date(0) }, program(arch));
  tar.finalize();
  const [repo, tag] = image.split(":");
  await follow(docker, await docker.importImage(tar as unknown as NodeJS.ReadableStream, { repo, tag }));
}

/** A static ELF file that exits with STATUS: the file's header, one loaded segment, the code. */
function program(arch: Arch): Buffer {
  const { machine, code } = PROGRAMS[arch];
  const [header, segment] = [Buffer.alloc(64), Buffer.alloc(56)];
  const size = header.length + segment.length + code.length;
  const address = 0x400000;
  header.write("\x7fELF\x02\x01\x01", "latin1");
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(machine, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(address + header.length + segment.length), 24);
  header.writeBigUInt64LE(BigInt(header.length), 32);
  header.writeUInt16LE(header.length, 52);
  header.writeUInt16LE(segment.length, 54);
  header.writeUInt16LE(1, 56);
  segment.writeUInt32LE(1, 0);
  segment.writeUInt32LE(5, 4);
  segment.writeBigUInt64LE(BigInt(address), 16);
  segment.writeBigUInt64LE(BigInt(address), 24);
  segment.writeBigUInt64LE(BigInt(size), 32);
  segment.writeBigUInt64LE(BigInt(size), 40);
  segment.writeBigUInt64LE(0x10000n, 48);
  return Buffer.concat([header, segment, Buffer.from(code)]);
}
