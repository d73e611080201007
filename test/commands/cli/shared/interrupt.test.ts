import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { interruptible, stopWork } from "../../../../pipeline/cli/shared/interrupt.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import { startEngine } from "../../../support/docker-server.ts";
import { FileServer } from "../../../support/file-server.ts";
import { cli, smolvm } from "../../../support/project.ts";
import { ReleaseFiles } from "../../../support/release-files.ts";
import { tempDirectory } from "../../../support/run.ts";
import { sampleCheckout } from "../../../support/tree.ts";

/** What the system calls when the user presses Ctrl-C. */
const pressCtrlC = () => process.listeners("SIGINT").at(-1)!("SIGINT");
const listeners = () => ["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => process.listenerCount(signal));

describe("a command that is interrupted", () => {
  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "by %s ends with one line and exit code 2",
    async (signal) => {
      let pid: number | undefined;
      const engine = await startEngine({
        "GET /version": { json: { Version: "20.10", Arch: "amd64" } },
        "POST /images/create": () => {
          process.kill(pid!, signal);
          return "never";
        },
      });
      const root = sampleCheckout();
      const before = readdirSync(join(root, "out"));
      const { exitCode, stdout, stderr } = await cli(root, ["cell", "codex-amd64-debian"], {
        env: { DOCKER_HOST: engine.host, GITHUB_ACTIONS: undefined, NODE_EXTRA_CA_CERTS: undefined },
        onStart: (child) => {
          pid = child;
        },
      });
      const said = stderr.trim().split("\n");
      expect(said.filter((line) => !line.startsWith("- "))).toEqual([
        `error: interrupted by ${signal}; no file is incomplete: run the same command again to continue`,
      ]);
      expect([exitCode, stdout]).toEqual([2, ""]);
      expect(readdirSync(join(root, "out"))).toEqual(before);
    },
  );
});

describe("a pull whose terminal is closed", () => {
  it("leaves neither a lock nor a half-made file, and ends with exit code 2", async () => {
    const server = await FileServer.start();
    const release = new ReleaseFiles("https://github.com/example/images/releases/download");
    for (const [name, bytes] of release.files) server.files.set(`/${name}`, bytes);
    server.slowMs = 100;
    const directory = tempDirectory();
    writeFileSync(join(directory, "manifest.json"), JSON.stringify(release.manifest));
    let pid = 0;
    const pulled = smolvm(
      ["pull", "codex", "--mirror", server.url, "--manifest", join(directory, "manifest.json")],
      { SMOLVM_CACHE: join(directory, "cache"), GITHUB_ACTIONS: "" },
      {
        onStart: (child) => {
          pid = child;
        },
      },
    );
    const names = () => readdirSync(join(directory, "cache/sha256")).join(" ");
    // It is in the middle of its root file system.
    await expect.poll(() => server.sent, { interval: 5, timeout: 40_000 }).toBeGreaterThan(200_000);
    await expect.poll(names, { interval: 5 }).toContain(".partial");
    expect(names()).toContain(".lock");
    process.kill(pid, "SIGHUP");
    const { exitCode, stderr, stdout } = await pulled;
    expect(stderr).toContain("error: interrupted by SIGHUP; no file is incomplete");
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(names()).not.toMatch(/lock|partial/);
  });
});

describe("a second signal", () => {
  const interruptedTwice = async (apartMs: number) => {
    const ended = vi.spyOn(process, "exit").mockImplementation(() => undefined as never);
    const told = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
    await interruptible(async (signal) => {
      pressCtrlC();
      vi.advanceTimersByTime(apartMs);
      pressCtrlC();
      throw signal.reason;
    }).catch(() => {});
    const said = told.mock.calls.map(([text]) => text).join("");
    const codes = ended.mock.calls.map(([code]) => code);
    vi.useRealTimers();
    vi.restoreAllMocks();
    return { said, codes };
  };

  it("ends the process at once, however long cleaning up takes; a reader is told before that it may", async () => {
    expect(await interruptedTwice(2_500)).toEqual({
      said:
        "cleaning up; press Ctrl-C again to end at once\nerror: interrupted again by SIGINT, before everything was cleaned up: " +
        "run the same command again to clean up the rest\n",
      codes: [2],
    });
  });

  it("is the same Ctrl-C when it comes with the first: from npm, and from the terminal", async () => {
    expect(await interruptedTwice(100)).toEqual({ said: "", codes: [] });
  });
});

describe("work whose output is closed", () => {
  it("is stopped, and ends with that; where there is none, nothing is", async () => {
    const closed = new Error("stdout takes no more");
    const work = interruptible(async (signal) => {
      expect(stopWork(closed)).toBe(true);
      signal.throwIfAborted();
    });
    await expect(work).rejects.toBe(closed);
    expect(stopWork(closed)).toBe(false);
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
