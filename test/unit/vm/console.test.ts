import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { Console } from "../../../pipeline/vm/console.ts";

const NEVER = new AbortController().signal;

/** A console, and what prints on it; resolves when it has been read. */
function guest() {
  const output = new PassThrough();
  const log = new PassThrough();
  const console = new Console(output, log);
  const print = async (line: string) => {
    output.write(line);
    // What was written is read in the order in which it was written.
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { console, output, log, print };
}

describe("a guest's console", () => {
  it("gives a line that was printed before anybody waited for it", async () => {
    const { console, print } = guest();
    await print("SMOLVM_TS stage=init-complete epoch_s=1790000000 uptime_s=5.21\n");
    const [, stage] = await console.waitFor(/stage=(\S+)/, NEVER);
    expect(stage).toBe("init-complete");
  });

  it("gives a line that comes later, also when it comes in pieces", async () => {
    const { console, print } = guest();
    const waiting = console.waitFor(/stage=init-complete epoch_s=1790000000 uptime_s=([0-9.]+)\n/, NEVER);
    for (const piece of ["SMOLVM_TS sta", "ge=init-complete epoch_s=1790000000 uptime_s=5.", "21\n"])
      await print(piece);
    expect((await waiting)[1]).toBe("5.21");
  });

  it("gives several that wait what each waits for", async () => {
    const { console, print } = guest();
    const both = Promise.all([console.waitFor(/second/, NEVER), console.waitFor(/first/, NEVER)]);
    await print("first\n");
    await print("second\n");
    expect((await both).map(([match]) => match)).toEqual(["second", "first"]);
  });

  it("stops waiting when it is told to, with the reason it was given", async () => {
    const { console } = guest();
    const controller = new AbortController();
    const waiting = console.waitFor(/never/, controller.signal);
    controller.abort(new Error("Ctrl-C"));
    await expect(waiting).rejects.toThrow("Ctrl-C");
    await expect(console.waitFor(/never/, controller.signal)).rejects.toThrow("Ctrl-C");
  });

  it("knows at which uptime each stage was reached, and which was not", async () => {
    const { console, print } = guest();
    await print(
      "SMOLVM_TS stage=init uptime_s=0.90\r\nSMOLVM_TS stage=init-complete epoch_s=1790000000 uptime_s=5.21\r\n",
    );
    expect(console.stageUptime("init")).toBe(0.9);
    expect(console.stageUptime("init-complete")).toBe(5.21);
    expect(console.stageUptime("read")).toBeUndefined();
    expect(console.stageUptime("poweroff")).toBeUndefined();
  });

  it("shows the last lines that say something", async () => {
    const { console, print } = guest();
    await print("one\r\ntwo  \r\n\r\n   \r\nthree\r\nfour");
    expect(console.tail(3)).toEqual(["two", "three", "four"]);
    expect(console.tail(10)).toEqual(["one", "two", "three", "four"]);
  });

  it("is written to the log whole, and keeps its end alone in memory", async () => {
    const { console, output, log } = guest();
    const logged = text(log);
    const line = `${"x".repeat(1023)}\n`;
    for (let count = 0; count < 400; count++) output.write(line);
    output.end("the end\n");
    expect(await logged).toBe(`${line.repeat(400)}the end\n`);
    expect(console.tail(1)).toEqual(["the end"]);
    expect(console.text.length).toBeLessThan(300 * 1024);
  });
});
