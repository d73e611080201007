import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  claim,
  directoryOf,
  keyOf,
  type Machine,
  machines,
  register,
  unregister,
} from "../../../../pipeline/client/machines/registry.ts";
import { identityOf } from "../../../../pipeline/util/process.ts";
import { REPOSITORY } from "../../../support/project.ts";
import { recordedRun, tempDirectory } from "../../../support/run.ts";

const GONE = "4194305 1";

let directory: string;
beforeEach(() => {
  directory = tempDirectory();
  vi.stubEnv("SMOLVM_MACHINES", directory);
});
afterEach(() => vi.unstubAllEnvs());

const machine = (name: string, process: string): Machine => ({
  ...{ schema_version: 1, name, process, vmm: "qemu", image: "codex", flavor: "ubuntu" },
  ...{ host: "127.0.0.1", port: 1, rootfs: "/x", started_at: "2026-11-21T00:00:00.000Z" },
});
const files = () => readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();
const write = (path: string, content: unknown) => {
  mkdirSync(join(directory, path, ".."), { recursive: true });
  writeFileSync(join(directory, path), typeof content === "string" ? content : JSON.stringify(content));
};
const claimed = (name: string, owner: string) =>
  write(`${name}/claim.json`, { schema_version: 1, name, owner });
const here = identityOf(process.pid);

describe("the directory of a machine", () => {
  it("appears with its owner's record, for this user alone, and is gone when the machine is", async () => {
    expect(await claim("work")).toBe(join(directory, "work"));
    expect(files()).toEqual(["work", "work/claim.json"]);
    expect(JSON.parse(readFileSync(join(directory, "work/claim.json"), "utf8"))).toMatchObject({
      owner: here,
    });
    const running = machine("work", here);
    await register(running);
    expect(await machines()).toEqual([running]);
    await unregister("work", running);
    expect(files()).toEqual([]);
  });

  it.each([
    ["a directory with a user's files", () => write("work/thesis.txt", "all of it")],
    ["an empty directory", () => mkdirSync(join(directory, "work"))],
    ["a file", () => write("work", "notes")],
    ["a link", () => symlinkSync(tempDirectory(), join(directory, "work"))],
    ["a copy of another machine's", () => write("work/machine.json", machine("other", GONE))],
    ["a record of somebody else", () => write("work/claim.json", { name: "work" })],
  ])("that is %s is an error which names it, and stays", async (_, make) => {
    make();
    const before = files();
    await expect(claim("work")).rejects.toThrow(
      `${join(directory, "work")} is not the directory of a machine: choose another --name, or remove it yourself`,
    );
    expect(await machines()).toEqual([]);
    expect(files()).toEqual(before);
  });

  it("of a machine that runs is not taken, nor is one that is being started", async () => {
    claimed("work", here);
    await expect(claim("work")).rejects.toThrow("a machine named work is starting");
    write("work/machine.json", machine("work", here));
    await expect(claim("work")).rejects.toThrow(
      "a machine named work is running: stop it with `smolvm stop work`",
    );
    expect(files()).toEqual(["work", "work/claim.json", "work/machine.json"]);
  });

  it.each([
    ["machine", () => write("work/machine.json", machine("work", GONE))],
    ["start", () => claimed("work", GONE)],
  ])("of a %s that has ended is cleared away, and its name is free", async (_, make) => {
    make();
    write("work/key", "old");
    expect(await machines()).toEqual([]);
    expect(files()).toEqual([]);
    make();
    write("work/key", "old");
    await claim("work");
    expect(files()).toEqual(["work", "work/claim.json"]);
  });

  it("with a record of another version stays: nobody here knows whether its machine runs", async () => {
    claimed("work", GONE);
    write("work/machine.json", { ...machine("work", GONE), schema_version: 2 });
    const before = files();
    await expect(claim("work")).rejects.toThrow(
      /work was written by another version, or this user cannot read it: choose another --name/,
    );
    expect(await machines()).toEqual([]);
    expect(files()).toEqual(before);
  });

  it("that another has claimed since is not removed with the machine that had the name before", async () => {
    await claim("work");
    const ended = machine("work", GONE);
    await register(ended);
    await claim("work");
    await unregister("work", ended);
    expect(files()).toEqual(["work", "work/claim.json"]);
  });

  it("is half-made or half-removed only while its process runs", async () => {
    for (const what of ["claim", "removed"]) write(`.work.4194305.${what}/key`, "half");
    write(`.work.${process.pid}.removed/key`, "half");
    write(".thesis.4194305.txt/page", "a user's");
    expect(await machines()).toEqual([]);
    expect(readdirSync(directory).sort()).toEqual([".thesis.4194305.txt", `.work.${process.pid}.removed`]);
  });
});

describe("of two starts of one name", () => {
  it("in one process, one wins, and the other removes nothing", async () => {
    const ended = await Promise.allSettled(Array.from({ length: 6 }, () => claim("work")));
    expect(ended.map(({ status }) => status).sort()).toEqual(["fulfilled", ...Array(5).fill("rejected")]);
    expect(ended.flatMap((each) => (each.status === "rejected" ? [each.reason.message] : []))).toEqual(
      Array(5).fill("a machine named work is starting: choose another --name"),
    );
    expect(files()).toEqual(["work", "work/claim.json"]);
  });

  it("in two processes, one wins, and its key stays", async () => {
    // What an earlier machine has left is what both want to remove.
    write("work/machine.json", machine("work", GONE));
    const script = join(directory, "claim.mts");
    writeFileSync(
      script,
      `import { writeFileSync } from "node:fs";
       import { claim, keyOf } from ${JSON.stringify(join(REPOSITORY, "pipeline/client/machines/registry.ts"))};
       try { await claim("work"); writeFileSync(keyOf("work"), String(process.pid)); console.log("won"); }
       catch (error) { console.log(error.message); }
       process.stdin.resume().once("data", () => process.exit());`,
    );
    const starts = [1, 2, 3].map(() =>
      spawn(process.execPath, ["--import", "tsx", script], {
        cwd: REPOSITORY,
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
    const said = await Promise.all(
      starts.map(async (child) => [child.pid, String((await once(child.stdout, "data"))[0]).trim()] as const),
    );
    const winners = said.filter(([, text]) => text === "won");
    expect(said.map(([, text]) => text).sort()).toEqual([
      ...Array(2).fill("a machine named work is starting: choose another --name"),
      "won",
    ]);
    expect(readFileSync(keyOf("work"), "utf8")).toBe(String(winners[0]![0]));
    const gone = starts.map((child) => once(child, "close"));
    for (const child of starts) child.stdin.write("\n");
    await Promise.all(gone);
    // Nobody has started it: what was claimed is cleared away.
    expect(await machines()).toEqual([]);
    expect(existsSync(directoryOf("work"))).toBe(false);
  });
});

describe("where no machine can have a directory", () => {
  it.each([
    [
      "a file",
      () => join(directory, "file"),
      /^\S+file is not a directory: choose another directory with SMOLVM_MACHINES$/,
    ],
    ["below a file", () => join(directory, "file/machines"), /^cannot write to \S+ \(not a directory\): /],
    [
      "in a place without directories of users",
      () => "/proc/machines",
      /^cannot write to \/proc\/machines \(.+\): choose another/,
    ],
  ])("%s, a start ends at once with one line", async (_, where, message) => {
    write("file", "");
    vi.stubEnv("SMOLVM_MACHINES", where());
    await expect(claim("work")).rejects.toThrow(message);
    expect(readFileSync(join(directory, "file"), "utf8")).toBe("");
  });

  it("a file, nobody says that no machine runs", async () => {
    write("file", "");
    vi.stubEnv("SMOLVM_MACHINES", join(directory, "file"));
    await expect(machines()).rejects.toThrow(
      /^cannot read \S+file \(not a directory\): choose another directory with SMOLVM_MACHINES$/,
    );
  });

  it("a start that waits ends when it is told to", async () => {
    write(".work.lock", here);
    const run = recordedRun();
    const waiting = claim("work", run).catch((error: Error) => error.message);
    await expect
      .poll(() => run.warnings)
      .toEqual(["another process is starting or removing work: waiting for it"]);
    run.interrupt(new Error("stop"));
    expect(await waiting).toBe("stop");
  });
});
