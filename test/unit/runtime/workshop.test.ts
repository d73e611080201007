import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { removeAbandonedDirectories } from "../../../pipeline/runtime/workshop.ts";
import { tempDirectory } from "../../support/run.ts";

it("of what lies beside built images, the work directories of processes that are gone are removed", async () => {
  const images = tempDirectory();
  const kept = [
    ...[
      "codex-amd64-debian",
      `codex-amd64-debian.${process.pid}`,
      "backup.2024",
      "notes-amd64.txt",
      "photos.4194305",
    ],
  ];
  for (const name of [...kept, "codex-amd64-debian.4194305", "kernel-arm64.4194305"]) {
    mkdirSync(join(images, name));
    writeFileSync(join(images, name, "file"), "");
  }
  symlinkSync(tempDirectory(), join(images, "pi-amd64-debian.4194305"));
  await removeAbandonedDirectories(images);
  expect(readdirSync(images).sort()).toEqual([...kept, "pi-amd64-debian.4194305"].sort());
  await removeAbandonedDirectories(join(images, "none"));
});
