import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { interruptible } from "../../pipeline/cli/interrupt.ts";
import { PipelineError } from "../../pipeline/schema/error.ts";
import { startEngine } from "../support/docker-server.ts";
import { cli } from "../support/project.ts";
import { sampleCheckout } from "../support/tree.ts";

/** What the system calls when the user presses Ctrl-C. */
const pressCtrlC = () => process.listeners("SIGINT").at(-1)!("SIGINT");
const listeners = () => [process.listenerCount("SIGINT"), process.listenerCount("SIGTERM")];

describe("a command that is interrupted", () => {
  it.each(["SIGINT", "SIGTERM"] as const)("by %s ends with one line and exit code 2", async (signal) => {
    let pid: number | undefined;
    const engine = await startEngine({
      "GET /version": { json: { Version: "20.10", Arch: "amd64" } },
      "POST /images/create": () => {
        process.kill(pid!, signal);
        return "never";
      },
    });
    const root = sampleCheckout();
    const { exitCode, stdout, stderr } = await cli(root, ["cell", "codex-amd64-debian"], {
      env: { DOCKER_HOST: engine.host, GITHUB_ACTIONS: undefined, NODE_EXTRA_CA_CERTS: undefined },
      onStart: (child) => {
        pid = child;
      },
    });
    const said = stderr.trim().split("\n");
    expect(said.filter((line) => !line.startsWith("- "))).toEqual([
      `error: interrupted by ${signal}; nothing is half-written, the same command starts again`,
    ]);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(readdirSync(join(root, "out"))).toEqual(["cells.json"]);
  });
});

describe("work that is cut off", () => {
  it("is told why by its signal, and ends with that whatever broke on the way", async () => {
    const work = interruptible(async (signal) => {
      pressCtrlC();
      expect(signal.reason).toBeInstanceOf(PipelineError);
      throw new Error("socket hang up");
    });
    await expect(work).rejects.toThrow("interrupted by SIGINT");
  });
});

describe("work that nobody interrupts", () => {
  it("gives its result, and leaves the process as it was", async () => {
    const before = listeners();
    const during = await interruptible(async (signal) => {
      expect(signal.aborted).toBe(false);
      return listeners();
    });
    expect(during).toEqual(before.map((count) => count + 1));
    expect(listeners()).toEqual(before);
  });

  it("fails with its own error, and leaves the process as it was", async () => {
    const before = listeners();
    const broken = new Error("the disk broke");
    await expect(interruptible(() => Promise.reject(broken))).rejects.toBe(broken);
    expect(listeners()).toEqual(before);
  });
});
