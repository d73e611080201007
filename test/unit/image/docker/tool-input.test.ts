import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { release } from "node:os";
import { PassThrough, Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { describe, expect, it, vi } from "vitest";
import { connect } from "../../../../pipeline/image/docker/engine.ts";
import { toolInput } from "../../../../pipeline/image/docker/tool-input.ts";
import { startEngine } from "../../../support/docker-server.ts";
import { tempDirectory } from "../../../support/run.ts";

/** The input of a tool on an engine whose containers run on this kernel. */
async function inputOf(input: Readable | undefined, work: string, KernelVersion = release()) {
  const engine = await startEngine({ "GET /version": { json: { KernelVersion } } });
  vi.stubEnv("DOCKER_HOST", engine.host);
  return await toolInput(await connect(), input, work);
}

const UNUSED = new PassThrough();
const MIB = Buffer.alloc(1 << 20, "0123456789");

describe.runIf(process.platform === "linux")("the input of a tool on this kernel", () => {
  /** Runs a tool as a container would, with `work` in the place of `/work`. Returns its output and whether it was fed. */
  async function through(input: Readable, script: string) {
    const work = tempDirectory();
    const it = await inputOf(input, work);
    const [program, ...args] = it.command(["sh", "-c", script]);
    const tool = spawn(
      program!,
      args.map((each) => each.replace("/work/", `${work}/`)),
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const fed = it.feed(UNUSED).then(
      () => "fed",
      (error: Error) => {
        tool.kill();
        return error.message;
      },
    );
    const output = text(tool.stdout);
    const [code] = await once(tool, "exit");
    await it.end();
    await it.end();
    return { output: await output, code, fed: await fed, left: readdirSync(work) };
  }

  it("comes through a named pipe, whole, and nothing of that is left", async () => {
    expect(await through(Readable.from([MIB, MIB, Buffer.from("end")]), "wc -c")).toEqual({
      ...{ output: "2097155\n", code: 0, fed: "fed", left: [] },
    });
  });

  it("has the bytes in their order", async () => {
    const body = Buffer.concat(Array.from({ length: 5000 }, (_, index) => Buffer.from(`${index}\n`)));
    const pieces = Array.from({ length: 50 }, (_, index) => body.subarray(index * 478, (index + 1) * 478));
    const { output } = await through(Readable.from(pieces), "cat");
    expect(output).toBe(Buffer.concat(pieces).toString());
  });

  it.each(["exit 3", "head -c 5 >/dev/null; exit 3"])(
    "may be left unread by the tool (%s)",
    async (script) => {
      const endless = Readable.from(
        (function* () {
          for (;;) yield MIB;
        })(),
      );
      expect(await through(endless, script)).toMatchObject({ code: 3, fed: "fed", left: [] });
      expect(endless.destroyed).toBe(true);
    },
  );

  it("that fails is an error", async () => {
    const failing = Readable.from(
      (async function* () {
        yield MIB;
        throw new Error("the spool is gone");
      })(),
    );
    expect(await through(failing, "cat >/dev/null; sleep 60")).toMatchObject({ fed: "the spool is gone" });
  });

  it("is given up when the tool ends without having opened it", async () => {
    const work = tempDirectory();
    const input = Readable.from([MIB]);
    const { feed, end } = await inputOf(input, work);
    const fed = feed(UNUSED);
    await end();
    await fed;
    expect(input.destroyed).toBe(true);
    expect(readdirSync(work)).toEqual([]);
  });

  it("leaves nothing when the tool is never started", async () => {
    const work = tempDirectory();
    await (await inputOf(Readable.from([MIB]), work)).end();
    expect(readdirSync(work)).toEqual([]);
  });
});

describe("the input of a tool elsewhere", () => {
  it("goes through Docker", async () => {
    const work = tempDirectory();
    const { command, feed, end } = await inputOf(Readable.from([MIB]), work, "0.0-linuxkit");
    expect(command(["cat"])).toEqual(["cat"]);
    const stdin = new PassThrough();
    const [received] = await Promise.all([buffer(stdin), feed(stdin)]);
    expect(received.equals(MIB)).toBe(true);
    await end();
    expect(readdirSync(work)).toEqual([]);
  });

  it("is empty if there is none", async () => {
    const work = tempDirectory();
    const { command, feed, end } = await inputOf(undefined, work);
    expect(command(["cat"])).toEqual(["cat"]);
    await feed(UNUSED);
    await end();
  });
});
