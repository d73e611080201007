import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { identityOf, isRunning, pidOf } from "../../../pipeline/util/process.ts";

it("a process runs until it has ended, also when nobody has looked at its end", async () => {
  // sh starts sleep, becomes another program that never looks at its children, and says the number of the first.
  const parent = spawn("sh", ["-c", "sleep 1000 & echo $!; exec sleep 1000"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [chunk] = (await once(parent.stdout!, "data")) as [Buffer];
  // Until then it is a shell, which does look.
  await expect.poll(() => readFileSync(`/proc/${parent.pid}/comm`, "utf8")).toBe("sleep\n");
  const child = identityOf(Number(chunk.toString()));
  expect(isRunning(child)).toBe(true);
  process.kill(pidOf(child), "SIGKILL");
  await expect.poll(() => isRunning(child)).toBe(false);
  // It is still listed: its number is taken.
  expect(() => process.kill(pidOf(child), 0)).not.toThrow();
  parent.kill("SIGKILL");
});

it("another process of the same number is another", () => {
  expect(isRunning(identityOf(process.pid))).toBe(true);
  expect(isRunning(`${process.pid} 1`)).toBe(false);
  expect(isRunning("4194305 1")).toBe(false);
});
