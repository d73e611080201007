import { expect, it } from "vitest";
import { ensureImage } from "../../pipeline/client/pull.ts";
import { FileServer } from "../support/file-server.ts";
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
