import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { Range } from "../../../../pipeline/util/download/http.ts";
import { downloadRanges, type RangesRequest } from "../../../../pipeline/util/download/ranges.ts";
import { NoRanges, SourceError, Unavailable } from "../../../../pipeline/util/download/source.ts";
import { FileServer } from "../../../support/file-server.ts";
import { recordedRun } from "../../../support/run.ts";

const MIB = 1 << 20;
const FAST = { attempts: 4, firstMs: 1, longestMs: 10, limitS: 100, secondMs: 0.1, silenceMs: 400 };
/** 50 MiB, no two pieces of which are alike. */
const CONTENT = Buffer.concat(
  Array.from({ length: 50 }, (_, index) =>
    Buffer.alloc(MIB, createHash("sha256").update(`${index}`).digest()),
  ),
);

let server: FileServer;
beforeEach(async () => {
  server = await FileServer.start();
  server.files.set("/file", CONTENT);
});

const request = (ranges: readonly Range[], more: Partial<RangesRequest> = {}): RangesRequest => ({
  ...{ url: `${server.url}/file`, size: CONTENT.length, ranges, patience: FAST },
  ...more,
});
async function bytesOf(
  ranges: readonly Range[],
  more?: Partial<RangesRequest>,
  run = recordedRun(),
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of downloadRanges(request(ranges, more), run)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
const range = (start: number, end: number): Range => ({ start, end });
const joined = (ranges: readonly Range[]) =>
  Buffer.concat(ranges.map(({ start, end }) => CONTENT.subarray(start, end)));
const failureOf = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

describe("the parts of a file", () => {
  it("come in their order, neighbours by one request, and long ones by several", async () => {
    const ranges = [
      range(0, 10),
      range(10, 100),
      range(200, 300),
      range(MIB, 18 * MIB),
      range(18 * MIB, 19 * MIB),
    ];
    const counts: number[] = [];
    const bytes = await bytesOf(ranges, { patience: {}, onBytes: (count) => counts.push(count) });
    expect(bytes.equals(joined(ranges))).toBe(true);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(bytes.length);
    expect([...server.requests].sort()).toEqual(
      [
        "GET /file bytes=0-99",
        "GET /file bytes=200-299",
        `GET /file bytes=${MIB}-${9 * MIB - 1}`,
        `GET /file bytes=${9 * MIB}-${17 * MIB - 1}`,
        `GET /file bytes=${17 * MIB}-${19 * MIB - 1}`,
      ].sort(),
    );
  });

  it("may be none, or in another order than in the file", async () => {
    expect(await bytesOf([])).toEqual(Buffer.alloc(0));
    expect(server.requests).toEqual([]);
    const ranges = [range(300, 400), range(0, 10)];
    expect(await bytesOf(ranges)).toEqual(joined(ranges));
  });

  it("are asked for four at a time, and no more until the first of them is read", async () => {
    const ranges = Array.from({ length: 20 }, (_, index) => range(index * 1000, index * 1000 + 10));
    const parts = downloadRanges(request(ranges), recordedRun());
    await parts.next();
    await expect.poll(() => server.requests.length).toBe(4);
    await parts.next();
    await expect.poll(() => server.requests.length).toBe(5);
    await parts.return(undefined);
    expect(server.requests.length).toBeLessThan(7);
  });

  it("are resumed where they were cut, without a condition: their bytes are verified by whoever asked", async () => {
    server.troubles.push({ kind: "short", after: 40 }, { kind: "status", status: 503 });
    let version = 0;
    server.etag = () => `"${version++}"`;
    expect(await bytesOf([range(5, 205)])).toEqual(joined([range(5, 205)]));
    expect(server.requests).toEqual([
      "GET /file bytes=5-204",
      "GET /file bytes=45-204",
      "GET /file bytes=45-204",
    ]);
    expect(server.headers.map((headers) => headers["if-range"])).toEqual([undefined, undefined, undefined]);
    expect(server.headers.map((headers) => headers["accept-encoding"])).toEqual(Array(3).fill("identity"));
  });

  it("follow a redirect to another host, each request anew: its address expires", async () => {
    const asked: (string | undefined)[] = [];
    const front = createServer((question, answer) => {
      asked.push(question.headers.range);
      answer.writeHead(302, { location: `${server.url}/file?signature=${asked.length}` }).end();
    });
    await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void front.close());
    for (const number of [1, 2, 3]) server.files.set(`/file?signature=${number}`, CONTENT);
    server.troubles.push({ kind: "cut", after: 10 });
    const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}/file`;
    expect(await bytesOf([range(0, 100)], { url })).toEqual(joined([range(0, 100)]));
    expect(asked).toHaveLength(2);
    expect(server.headers.map((headers) => headers.range)).toEqual(asked);
  });

  it.each<[string, number, (error: Error) => void]>([
    ["that is not there", 404, (error) => expect(error).not.toBeInstanceOf(NoRanges)],
    ["that nobody may read", 403, (error) => expect(error).not.toBeInstanceOf(Unavailable)],
    ["that a server cannot send in parts", 416, (error) => expect(error).toBeInstanceOf(NoRanges)],
    ["that a server sends whole", 200, (error) => expect(error).toBeInstanceOf(NoRanges)],
  ])("of a file %s are an error at once", async (_, status, check) => {
    server.lie = (answer) => ({ ...answer, status });
    const error = await failureOf(bytesOf([range(0, 100)]));
    expect(error).toBeInstanceOf(SourceError);
    check(error);
    expect(server.requests).toHaveLength(1);
  });

  it("of a server that is busy for good, or silent, are an error", async () => {
    server.troubles.push(...Array(9).fill({ kind: "status", status: 500 }));
    expect(await failureOf(bytesOf([range(0, 9)]))).toBeInstanceOf(Unavailable);
    server.troubles.splice(0, 9, { kind: "silence" });
    const error = await failureOf(bytesOf([range(0, 9)], { giveUpMs: 50 }));
    expect(error.message).toBe("no byte came within 0.05 s");
  });

  it("end with the reason of an interruption", async () => {
    server.troubles.push({ kind: "silence" });
    const run = recordedRun();
    const failure = failureOf(bytesOf([range(0, 9), range(20, 30)], {}, run));
    await expect.poll(() => server.requests.length).toBe(2);
    run.interrupt(new Error("Ctrl-C"));
    expect((await failure).message).toBe("Ctrl-C");
  });
});
