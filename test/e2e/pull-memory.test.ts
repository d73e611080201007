import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { writeTable } from "../../pipeline/client/frames/table-file.ts";
import { ensureImage } from "../../pipeline/client/pull.ts";
import { FileServer } from "../support/file-server.ts";
import { framedAsset } from "../support/framed.ts";
import { REPOSITORY } from "../support/project.ts";
import { ReleaseFiles, rootfsBytes } from "../support/release-files.ts";
import { tempDirectory } from "../support/run.ts";
import { silentRun } from "../support/silent.ts";

const CODEX = { preset: "codex", arch: "amd64", vmm: "qemu", flavor: "ubuntu" } as const;

// In a process of its own: the memory of other tests would count.
it("a large image is unpacked in little memory", async () => {
  const server = await FileServer.start();
  const { manifest, files } = new ReleaseFiles(server.url, "images-v3", rootfsBytes(192));
  for (const [name, bytes] of files) server.files.set(`/images-v3/${name}`, bytes);
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }, 5);
  await ensureImage(CODEX, { cacheDir: tempDirectory(), manifest, run: silentRun() });
  clearInterval(watch);
  expect(most).toBeLessThan(48 << 20);
});

/** Puts an image together, and prints what was fetched, what it is, and its own peak memory. */
const ASSEMBLE = `
import { readFileSync } from "node:fs";
import { download } from "./pipeline/client/download.ts";
import { unwatched } from "./pipeline/util/progress.ts";

const { options, target } = JSON.parse(process.env.REQUEST);
const { wireSize, imageSha256 } = await download(options, target, unwatched());
// A process begins with the largest resident set of the one that started it in \`resourceUsage\`, but not here.
const peakMib = Number(/^VmHWM:\\s+(\\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))[1]) / 1024;
console.log(JSON.stringify({ wireSize, imageSha256, peakMib }));
`;

it("frames of the largest size are fetched, copied and put together in less than 300 MiB", async () => {
  const server = await FileServer.start();
  const [shared, own] = [randomBytes(128 << 20), randomBytes(128 << 20)];
  const base = framedAsset("base.ext4.zst", [shared]);
  const { bytes, asset } = framedAsset("rootfs.ext4.zst", [shared, own]);
  server.files.set("/rootfs.ext4.zst", bytes);
  const directory = tempDirectory();
  const cached = join(directory, "cached");
  writeFileSync(cached, shared);
  const place = base.asset.frames!;
  await writeTable(cached, { place, bytes: base.bytes.subarray(place.offset, place.offset + place.size) });
  const { sha256, size, frames } = asset;
  const image = { sha256: asset.image_sha256, size: asset.image_size };
  const options = {
    remote: { url: `${server.url}/rootfs.ext4.zst`, sha256, size, frames },
    framed: { asset: "rootfs.ext4.zst", size, image, frames, cached: [cached] },
    ...{ mirrors: [], unpack: true },
  };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", ASSEMBLE],
    {
      cwd: REPOSITORY,
      env: { ...process.env, REQUEST: JSON.stringify({ options, target: join(directory, "image") }) },
    },
  );
  const { wireSize, imageSha256, peakMib } = JSON.parse(stdout);
  expect(imageSha256).toBe(image.sha256);
  expect(wireSize).toBeLessThan(0.6 * size);
  expect(peakMib).toBeLessThan(300);
});
