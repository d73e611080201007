import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  checkMachineName,
  claim,
  directoryOf,
  keyOf,
  type Machine,
  machineNamed,
  machines,
  register,
  unregister,
  usedByMachines,
} from "../../../../pipeline/client/machines/registry.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import { identityOf } from "../../../../pipeline/util/process.ts";
import { tempDirectory } from "../../../support/run.ts";

const GONE = "4194305 1";
const HERE = identityOf(process.pid);
/** A process that runs, and is not this one. */
const OTHER = identityOf(process.ppid);

let directory: string;
beforeEach(() => {
  directory = join(tempDirectory(), "machines");
  vi.stubEnv("SMOLVM_MACHINES", directory);
});
afterEach(() => vi.unstubAllEnvs());

const machine = (name: string, process = HERE): Machine => ({
  ...{ schema_version: 1, name, process, vmm: "qemu", image: "codex", flavor: "ubuntu" },
  ...{ host: "127.0.0.1", port: 1, rootfs: `/images/${name}`, started_at: "2026-11-21T00:00:00.000Z" },
});
const write = (path: string, content: unknown = "") => {
  mkdirSync(join(directory, path, ".."), { recursive: true });
  writeFileSync(join(directory, path), typeof content === "string" ? content : JSON.stringify(content));
};
const recorded = (name: string, process = HERE) => write(`${name}/machine.json`, machine(name, process));
const claimed = (name: string, owner: string) =>
  write(`${name}/claim.json`, { schema_version: 1, name, owner });
const names = () => readdirSync(directory).sort();

describe("a machine's name", () => {
  it.each(["Work", "a_b", "-a", "", "a".repeat(42), "a\n", "../a", "a/b", ".a", "a b"])(
    "is not %j, for which nothing is made",
    async (name) => {
      await expect(claim(name)).rejects.toThrow(
        /^machine name ".*" is not valid: use at most 41 lower-case letters, digits and "-"/,
      );
      await expect(checkMachineName(name)).rejects.toThrow(/^machine name/);
      expect(existsSync(directory)).toBe(false);
    },
  );

  it.each(["a", "0", "a-b-1", "a".repeat(41)])("may be %s", async (name) => {
    await checkMachineName(name);
    await claim(name);
    expect(names()).toEqual([name]);
  });

  it("is looked at before anything is made: what has ended is no hindrance, what runs is", async () => {
    await checkMachineName("work");
    expect(existsSync(directory)).toBe(false);
    recorded("ended", GONE);
    claimed("given-up", GONE);
    for (const name of ["ended", "given-up"]) await checkMachineName(name);
    recorded("runs");
    claimed("starts", OTHER);
    write("mine/thesis.txt");
    mkdirSync(join(directory, "odd/machine.json"), { recursive: true });
    for (const [name, why] of [
      [
        "runs",
        /^a machine named runs is running: stop it with `smolvm stop runs`, or choose another --name$/,
      ],
      ["starts", /^a machine named starts is starting: choose another --name$/],
      ["mine", /mine is not the directory of a machine: choose another --name, or remove it yourself$/],
      [
        "odd",
        /odd was written by another version, or this user cannot read it: choose another --name, or remove it/,
      ],
    ] as const) {
      await expect(checkMachineName(name)).rejects.toThrow(why);
      await expect(claim(name)).rejects.toThrow(why);
    }
    expect(names()).toEqual(["ended", "given-up", "mine", "odd", "runs", "starts"]);
  });
});

describe("a machine's directory", () => {
  it("is below one's home unless the environment names another place", () => {
    expect(directoryOf("work")).toBe(join(directory, "work"));
    expect(keyOf("work")).toBe(join(directory, "work/key"));
    vi.stubEnv("SMOLVM_MACHINES", "");
    expect(directoryOf("work")).toBe(join(homedir(), ".smolvm/machines/work"));
  });

  it("is its user's alone, since its key lies there", async () => {
    await claim("work");
    expect(statSync(directoryOf("work")).mode & 0o777).toBe(0o700);
  });

  it("replaces what a start of this process has left half-made, with all that is in it", async () => {
    write(`.work.${process.pid}.claim/key`, "old");
    write(`.work.${process.pid}.removed/deep/key`, "old");
    recorded("work", GONE);
    await claim("work");
    expect(names()).toEqual(["work"]);
    expect(readdirSync(directoryOf("work"))).toEqual(["claim.json"]);
  });

  it("is given up by whoever claimed it, and by nobody else", async () => {
    await claim("work");
    write("work/key", "x");
    await unregister("work");
    expect(names()).toEqual([]);
    claimed("work", OTHER);
    await unregister("work");
    expect(names()).toEqual(["work"]);
    await unregister("never");
  });

  it("of a machine goes with that machine, and with no other of its name", async () => {
    await claim("work");
    await register(machine("work"));
    await unregister("work", machine("work", GONE));
    expect(names()).toEqual(["work"]);
    await unregister("work", machine("work"));
    expect(names()).toEqual([]);
  });
});

it("whose machine has ended, and which another start has taken, is left to that", async () => {
  recorded("work", GONE);
  claimed("work", OTHER);
  await expect(claim("work")).rejects.toThrow("a machine named work is starting");
  expect(await machines()).toEqual([]);
  expect(readdirSync(directoryOf("work")).sort()).toEqual(["claim.json", "machine.json"]);
  // What this process has claimed and not started is its own.
  claimed("work", HERE);
  expect(await machines()).toEqual([]);
  expect(names()).toEqual([]);
});

it("below something that is no directory is no defect", async () => {
  write("file");
  vi.stubEnv("SMOLVM_MACHINES", join(directory, "file/machines"));
  await expect(claim("work")).rejects.toBeInstanceOf(PipelineError);
  await expect(machines()).rejects.toBeInstanceOf(PipelineError);
  await expect(checkMachineName("work")).rejects.toBeInstanceOf(PipelineError);
});

describe("the machines that run", () => {
  it("are none where there has never been one", async () => {
    expect(await machines()).toEqual([]);
    expect(existsSync(directory)).toBe(false);
  });

  it("are listed by their names, and what others have left is removed", async () => {
    for (const name of ["c", "a", "b"]) recorded(name);
    recorded("ended", GONE);
    claimed("given-up", GONE);
    claimed("starts", OTHER);
    expect((await machines()).map(({ name }) => name)).toEqual(["a", "b", "c"]);
    expect(names()).toEqual(["a", "b", "c", "starts"]);
  });

  it("are found beside what is not ours, which stays", async () => {
    recorded("work");
    const foreign = ["notes.txt", "My Files/x", ".hidden/x", "mine/x", "x.work.4194305.claim/x"];
    for (const path of foreign) write(path);
    // They only resemble what a process that is gone leaves.
    for (const path of [".work.4194305.claimed/x", ".work.x.claim/x", ".Work.4194305.claim/x"]) write(path);
    symlinkSync(tempDirectory(), join(directory, "link"));
    const before = names();
    expect(await machines()).toEqual([machine("work")]);
    expect(names()).toEqual(before);
  });

  it("leave nothing half-made or half-removed of a process that is gone", async () => {
    write(".work.4194305.claim/claim.json");
    write(".work.4194305.removed/deep/key");
    write(`.other.${process.pid}.claim/claim.json`);
    expect(await machines()).toEqual([]);
    expect(names()).toEqual([`.other.${process.pid}.claim`]);
  });

  it("are asked for by name, and the answer to another name is which there are", async () => {
    await expect(machineNamed("work")).rejects.toThrow(
      "no machine is running: start one with `smolvm create --keep`",
    );
    recorded("work");
    recorded("play");
    expect(await machineNamed("work")).toEqual(machine("work"));
    await expect(machineNamed("wrok")).rejects.toThrow('unknown machine "wrok"; one of: play, work');
  });

  it("keep the images that they were started from", async () => {
    recorded("work");
    recorded("play");
    recorded("ended", GONE);
    expect(await usedByMachines()).toEqual(new Set(["/images/work", "/images/play"]));
  });
});
