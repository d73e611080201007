import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { isLocked, removeStale, withLock } from "../../../pipeline/util/lock.ts";
import { identityOf } from "../../../pipeline/util/process.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { silentRun } from "../../support/silent.ts";

const GONE = "4194305 1";

/** A process that does nothing, until it is ended. */
function otherProcess(): ChildProcess & { readonly pid: number } {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child as ChildProcess & { readonly pid: number };
}

/** A lock that a real other process has, and the one who waits for it. */
function contended() {
  const directory = tempDirectory();
  const path = join(directory, "lock");
  const owner = otherProcess();
  writeFileSync(path, identityOf(owner.pid));
  const run = recordedRun();
  let done = false;
  const waiting = withLock(path, run, async () => {
    done = true;
    return "done";
  });
  waiting.catch(() => {});
  return { directory, path, owner, run, waiting, isDone: () => done };
}

describe("a lock that another process has", () => {
  it("is not taken while that one runs, and is when it has ended", async () => {
    const { directory, path, owner, run, waiting, isDone } = contended();
    await expect.poll(() => run.warnings).toEqual(["another process fetches the same file: waiting for it"]);
    // Each try has a file of its own.
    const tries = new Set<string | null>();
    const watcher = watch(directory, (_, name) => tries.add(name));
    onTestFinished(() => watcher.close());
    await expect.poll(() => tries.size).toBeGreaterThan(3);
    expect([isDone(), readFileSync(path, "utf8")]).toEqual([false, identityOf(owner.pid)]);
    // It is said once, and nobody tries to break it: there are only files of the kind that `prune` knows.
    expect(run.warnings).toHaveLength(1);
    expect([...tries].filter((name) => !/^lock(\.\d+\.\d+\.partial)?$/.test(name ?? ""))).toEqual([]);
    await removeStale(path, "");
    expect(await isLocked(path)).toBe(true);
    owner.kill("SIGKILL");
    await once(owner, "exit");
    expect(await waiting).toBe("done");
    expect(readdirSync(directory)).toEqual([]);
  });

  it("is waited for until one is told to stop, and stays its owner's", async () => {
    const { directory, path, owner, run, waiting, isDone } = contended();
    await expect.poll(() => run.warnings.length).toBe(1);
    run.interrupt(new Error("stop"));
    await expect(waiting).rejects.toThrow("stop");
    expect(isDone()).toBe(false);
    expect(readdirSync(directory)).toEqual(["lock"]);
    expect(readFileSync(path, "utf8")).toBe(identityOf(owner.pid));
  });

  it("is looked at a few times a second, and not all the time", async () => {
    const { directory, run } = contended();
    await expect.poll(() => run.warnings.length).toBe(1);
    const tries = new Set<string | null>();
    const watcher = watch(directory, (_, name) => tries.add(name));
    onTestFinished(() => watcher.close());
    const started = performance.now();
    await expect.poll(() => performance.now() - started, { timeout: 5_000 }).toBeGreaterThan(300);
    // Each wait is at least 50 ms. A busy machine tries less often, and never more often.
    const most = 2 + (performance.now() - started) / 50;
    expect([...tries].filter((name) => name !== "lock").length).toBeLessThanOrEqual(most);
    run.interrupt(new Error("stop"));
  });

  it("is not waited for where its directory is gone", async () => {
    const { directory, run, waiting } = contended();
    await expect.poll(() => run.warnings.length).toBe(1);
    rmSync(directory, { recursive: true });
    await expect(waiting).rejects.toThrow(
      `cannot write to ${directory} (no such file or directory): make it writable, or choose another directory`,
    );
  });
});

describe("a lock", () => {
  it("is nobody's where there is none, or its owner is gone, and is its owner's while that runs", async () => {
    const path = join(tempDirectory(), "lock");
    expect(await isLocked(path)).toBe(false);
    await removeStale(path, "");
    writeFileSync(path, GONE);
    expect(await isLocked(path)).toBe(false);
    writeFileSync(path, identityOf(process.pid));
    expect(await isLocked(path)).toBe(true);
    await removeStale(path, "");
    expect(readFileSync(path, "utf8")).toBe(identityOf(process.pid));
  });

  it("that somebody removes while the work goes on does not spoil what has come of it", async () => {
    const path = join(tempDirectory(), "lock");
    const work = async () => {
      rmSync(path);
      return "done";
    };
    expect(await withLock(path, silentRun(), work)).toBe("done");
  });

  it("that nobody can break is not waited for", async () => {
    const directory = tempDirectory();
    // The name of the lock itself is not too long, and that of the file beside it is.
    const path = join(directory, "l".repeat(250));
    writeFileSync(path, GONE);
    await expect(removeStale(path, "choose another")).rejects.toThrow(
      /^cannot write to \S+ \(.*name too long\): choose another$/,
    );
    expect(existsSync(path)).toBe(true);
  });
});

describe("the lock of a process that is gone", () => {
  it.each([
    ["has ended", GONE],
    ["has the number of another", `${process.pid} 1`],
    ["has left an empty file", ""],
  ])("which %s is taken by one at a time", async (_, owner) => {
    const directory = tempDirectory();
    const path = join(directory, "lock");
    writeFileSync(path, owner);
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 1));
      inside--;
    };
    await Promise.all(Array.from({ length: 8 }, () => withLock(path, silentRun(), work)));
    expect(most).toBe(1);
    expect(readdirSync(directory)).toEqual([]);
  });

  it("stays where another process has taken it since it was looked at", async () => {
    const directory = tempDirectory();
    const path = join(directory, "lock");
    writeFileSync(path, GONE);
    let over = false;
    const removed = removeStale(path, "").finally(() => {
      over = true;
    });
    // From here on it looks whether another process is at it, too, and then at the lock again.
    while (!over && readdirSync(directory).length < 2) await setImmediate();
    writeFileSync(path, identityOf(process.pid));
    await removed;
    expect(readdirSync(directory)).toEqual(["lock"]);
    expect(await isLocked(path)).toBe(true);
  });

  it("is left to the process that is already at it; one that is gone is not in the way", async () => {
    const directory = tempDirectory();
    const path = join(directory, "lock");
    const breaker = `${path}.break.0.${identityOf(otherProcess().pid).replace(" ", "_")}`;
    for (const file of [breaker, `${path}.break.0.4194305_1`]) writeFileSync(file, "");
    writeFileSync(path, GONE);
    await removeStale(path, "");
    expect(existsSync(path)).toBe(true);
    // Not even the file by which this process said that it is at it, too.
    expect(readdirSync(directory).filter((name) => name.includes(`.${process.pid}`))).toEqual([]);
    rmSync(breaker);
    const seen = new Set<string | null>();
    const watcher = watch(directory, (_, name) => seen.add(name));
    onTestFinished(() => watcher.close());
    await removeStale(path, "");
    expect(readdirSync(directory)).toEqual([]);
    // By such a name the next process knows who was at it.
    const mine = `\\.${identityOf(process.pid).replace(" ", "_")}`;
    const name = new RegExp(`^lock\\.break\\.\\d+${mine}$`);
    await expect.poll(() => [...seen].filter((each) => name.test(each ?? ""))).toHaveLength(1);
  });
});

it.each([
  [
    "a directory",
    (path: string) => mkdirSync(path),
    "cannot read the lock file PATH (it is a directory): remove it",
  ],
  [
    "a user's file",
    (path: string) => writeFileSync(path, "notes"),
    "PATH is not a lock file of smolvm: move it away",
  ],
])("%s in the place of a lock is an error, and stays", async (_, make, message) => {
  const path = join(tempDirectory(), "lock");
  make(path);
  await expect(withLock(path, silentRun(), async () => {})).rejects.toThrow(message.replace("PATH", path));
  expect(existsSync(path)).toBe(true);
});
