import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeEach, expect, it } from "vitest";
import { download } from "../../../pipeline/client/download.ts";
import { writeTable } from "../../../pipeline/client/frames/table-file.ts";
import { encodeTable } from "../../../pipeline/schema/frames.ts";
import { assetOf } from "../../support/assets.ts";
import { FileServer, type Part } from "../../support/file-server.ts";
import { type FramedAsset, framedAsset, framesOf, joined, type Made } from "../../support/framed.ts";
import { packed } from "../../support/release-files.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";

const NAME = "codex-amd64-ubuntu-rootfs.ext4.zst";
const FAST = { attempts: 3, firstMs: 1, longestMs: 2, silenceMs: 400 };
const KIB = 1024;
const sha256Of = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** The pieces that images consist of: bytes that nothing packs, text, zeros, and sizes that are no whole blocks. */
const PIECES = [1, 4095, 4096, 20 * KIB, 60 * KIB, 5000].flatMap((size, index) => [
  Buffer.from(
    Array.from(
      { length: size },
      (_, at) =>
        createHash("sha256")
          .update(`${index} ${at >> 5}`)
          .digest()[at & 31]!,
    ),
  ),
  Buffer.from(`text ${index} `.repeat(Math.ceil(size / 7))).subarray(0, size),
  Buffer.alloc(size * 4),
]);

/** The image as indexes of PIECES, cut into frames. */
const image = fc.array(fc.array(fc.nat(PIECES.length - 1), { minLength: 1, maxLength: 3 }), {
  minLength: 1,
  maxLength: 7,
});
const partsOf = (frames: readonly (readonly number[])[]) =>
  frames.map((pieces) => Buffer.concat(pieces.map((piece) => PIECES[piece]!)));

/** What happens to an image until its next release. */
const edit = fc.oneof(
  fc.record({ kind: fc.constant("drop" as const), at: fc.nat(20) }),
  fc.record({
    kind: fc.constant("insert" as const),
    at: fc.nat(20),
    frame: fc.array(fc.nat(PIECES.length - 1), { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant("move" as const), at: fc.nat(20), to: fc.nat(20) }),
);
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function edited(frames: readonly (readonly number[])[], edits: readonly Edit[]): (readonly number[])[] {
  const now = [...frames];
  for (const each of edits) {
    const at = each.at % (now.length + 1);
    if (each.kind === "insert") now.splice(at, 0, each.frame);
    else if (now.length > 1) {
      const [taken] = now.splice(at % now.length, 1);
      if (each.kind === "move") now.splice(each.to % (now.length + 1), 0, taken!);
    }
  }
  return now;
}

let server: FileServer;
let directory: string;
let pulls = 0;
beforeEach(async () => {
  server = await FileServer.start();
  directory = tempDirectory();
});

/** A cached image with its table. */
async function cached(parts: readonly Buffer[], table?: Buffer): Promise<string> {
  const path = join(directory, `cached-${pulls++}`);
  const { bytes, asset, frames } = framedAsset(NAME, parts);
  writeFileSync(path, Buffer.concat(parts));
  const place = asset.frames!;
  const right = bytes.subarray(place.offset, place.offset + place.size);
  const used = table ?? right;
  expect(encodeTable(frames)).toEqual(right);
  await writeTable(path, { place: { ...place, size: used.length, sha256: sha256Of(used) }, bytes: used });
  return path;
}

/** Pulls an asset, with images in the cache. It must be right, and nothing else may have been written. */
async function pull({ bytes, asset }: FramedAsset, images: readonly string[], right: Buffer) {
  server.files.set("/asset.zst", bytes);
  server.requests.length = 0;
  server.sent = 0;
  const [place, before] = [join(directory, `pull-${pulls++}`), readdirSync(directory)];
  mkdirSync(place);
  const target = join(place, "target");
  const remote = {
    url: `${server.url}/asset.zst`,
    sha256: asset.sha256,
    size: asset.size,
    frames: asset.frames,
  };
  const framed = {
    ...{ asset: NAME, size: asset.size, frames: asset.frames!, cached: images },
    image: { sha256: asset.image_sha256, size: asset.image_size },
  };
  const run = recordedRun();
  const fetched = await download({ remote, mirrors: [], unpack: true, patience: FAST, framed }, target, run);
  expect(readFileSync(target).equals(right)).toBe(true);
  if (fetched.imageSha256 !== undefined) expect(fetched.imageSha256).toBe(sha256Of(right));
  expect(readdirSync(place)).toEqual(["target"]);
  expect(readdirSync(directory)).toEqual([...before, place.slice(directory.length + 1)].sort());
  return { fetched, run };
}

const isZeros = (part: Buffer) => part.every((byte) => byte === 0);

it("whatever is edited: an image is right, and nothing is fetched that a cached image has", async () => {
  await fc.assert(
    fc.asyncProperty(
      image,
      fc.array(edit, { maxLength: 4 }),
      fc.array(image, { maxLength: 2 }),
      async (old, edits, others) => {
        const parts = partsOf(edited(old, edits));
        const asset = framedAsset(NAME, parts);
        const images = [await cached(partsOf(old))];
        for (const other of others) images.push(await cached(partsOf(other)));
        const { fetched, run } = await pull(asset, images, Buffer.concat(parts));
        const there = new Set([old, ...others].flatMap(partsOf).map(sha256Of));
        const missing = framesOf(parts).filter(
          ({ sha256 }, index) => !there.has(sha256) && !isZeros(parts[index]!),
        );
        expect(run.warnings).toEqual([]);
        const least = missing.reduce((sum, { size }) => sum + size, 0);
        // Small frames of zeros are fetched like others, and for little the whole file is.
        if (fetched.imageSha256 !== undefined)
          expect(fetched.wireSize).toBeLessThan(least + 20 * parts.length + 1);
        else expect(server.requests.at(-1)).toBe("GET /asset.zst");
      },
    ),
    { numRuns: 40 },
  );
});

it("whatever a cached image or its table is: an image is right", async () => {
  const bytes = fc.uint8Array({ maxLength: 200 }).map((each) => Buffer.from(each));
  await fc.assert(
    fc.asyncProperty(
      image,
      fc.oneof(
        fc.record({ kind: fc.constant("table" as const), bytes }),
        fc.record({ kind: fc.constant("entry" as const), bytes }),
        fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bit: fc.nat(7) }),
        fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }),
        fc.record({ kind: fc.constant("grown" as const), bytes }),
      ),
      async (frames, damage) => {
        const parts = partsOf(frames);
        const path = await cached(parts, damage.kind === "table" ? damage.bytes : undefined);
        const whole = readFileSync(path);
        if (damage.kind === "entry") writeFileSync(`${path}.frames`, damage.bytes);
        if (damage.kind === "flip") whole[damage.at % whole.length]! ^= 1 << damage.bit;
        if (damage.kind === "cut") writeFileSync(path, whole.subarray(0, damage.at % whole.length));
        else writeFileSync(path, damage.kind === "grown" ? Buffer.concat([whole, damage.bytes]) : whole);
        await pull(framedAsset(NAME, parts), [path], Buffer.concat(parts));
      },
    ),
    { numRuns: 40 },
  );
});

/** What is wrong with the table that a manifest pins, or with the frames. */
const lie = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bit: fc.nat(7) }),
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }),
  fc.record({ kind: fc.constant("size" as const), at: fc.nat(), by: fc.integer({ min: -9, max: 9 }) }),
  fc.record({ kind: fc.constant("imageSize" as const), at: fc.nat(), by: fc.integer({ min: -9, max: 9 }) }),
  fc.record({ kind: fc.constant("swap" as const), at: fc.nat(), to: fc.nat() }),
  fc.record({ kind: fc.constant("repeat" as const), at: fc.nat() }),
  fc.record({ kind: fc.constant("place" as const), by: fc.integer({ min: -50, max: 50 }) }),
);
type Lie = typeof lie extends fc.Arbitrary<infer T> ? T : never;

/** An asset that is right as a whole, and whose table is as wrong as somebody who signs manifests can make it. */
function lying(parts: readonly Buffer[], each: Lie): FramedAsset {
  const right = framesOf(parts);
  const at = "at" in each ? each.at % right.length : 0;
  const other = (at + 1) % right.length;
  const made = joined(NAME, right, Buffer.concat(parts), (all) => {
    const frames = [...all];
    if (each.kind === "size" || each.kind === "imageSize") {
      const [by, field] = [each.by, each.kind];
      frames[at] = { ...frames[at]!, [field]: Math.max(0, frames[at]![field] + by) };
      if (other !== at)
        frames[other] = { ...frames[other]!, [field]: Math.max(0, frames[other]![field] - by) };
    }
    if (each.kind === "swap") frames.splice(each.to % frames.length, 0, ...frames.splice(at, 1));
    if (each.kind === "repeat") frames[other] = frames[at]!;
    return frames;
  });
  const place = made.asset.frames!;
  const bytes = Buffer.from(made.bytes);
  let { offset, size } = place;
  if (each.kind === "flip") bytes[offset + (each.at % size)]! ^= 1 << each.bit;
  if (each.kind === "cut") size = 1 + (each.at % size);
  if (each.kind === "place") offset = Math.max(1, Math.min(bytes.length - size, offset + each.by));
  const sha256 = sha256Of(bytes.subarray(offset, offset + size));
  return {
    ...made,
    bytes,
    asset: { ...made.asset, sha256: sha256Of(bytes), frames: { offset, size, sha256 } },
  };
}

it("whatever the table says: an image is right, if need be fetched whole", async () => {
  await fc.assert(
    fc.asyncProperty(image, image, lie, async (frames, other, each) => {
      const parts = partsOf(frames);
      // The first frame is there, so that the table is read.
      const images = [await cached([...parts.slice(0, 1), ...partsOf(other)])];
      const { run } = await pull(lying(parts, each), images, Buffer.concat(parts));
      expect(run.steps.filter((step) => step.startsWith("fetch the whole")).length).toBeLessThan(2);
    }),
    { numRuns: 60 },
  );
});

/** What is wrong with an answer to a range. */
const answerLie = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bit: fc.nat(7) }),
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }),
  fc.record({ kind: fc.constant("longer" as const), by: fc.integer({ min: 1, max: 100_000 }) }),
  fc.record({ kind: fc.constant("status" as const), status: fc.constantFrom(200, 206, 404, 403, 416, 410) }),
  fc.record({ kind: fc.constant("other" as const), by: fc.integer({ min: -100, max: 100 }) }),
  fc.record({
    kind: fc.constant("header" as const),
    text: fc.string({ maxLength: 30 }).filter((text) => /^[ -~]*$/.test(text)),
  }),
);
type AnswerLie = typeof answerLie extends fc.Arbitrary<infer T> ? T : never;

const lieTo =
  (each: AnswerLie, whole: Buffer): ((answer: Part) => Part) =>
  (answer) => {
    const body = Buffer.from(answer.body);
    if (each.kind === "flip" && body.length > 0) body[each.at % body.length]! ^= 1 << each.bit;
    if (each.kind === "cut") return { ...answer, body: body.subarray(0, each.at % (body.length + 1)) };
    if (each.kind === "longer") return { ...answer, body: Buffer.concat([body, Buffer.alloc(each.by, 1)]) };
    if (each.kind === "status") return { ...answer, status: each.status };
    if (each.kind === "header") return { ...answer, contentRange: each.text };
    if (each.kind === "other") {
      const start = Math.max(0, Number(/\d+/.exec(answer.contentRange ?? "0")![0]) + each.by);
      return { ...answer, body: Buffer.concat([whole.subarray(start), body]).subarray(0, body.length) };
    }
    return { ...answer, body };
  };

it("whatever a server answers to ranges: an image is right, if need be fetched whole", async () => {
  await fc.assert(
    fc.asyncProperty(
      image,
      fc.array(answerLie, { minLength: 1, maxLength: 3 }),
      fc.nat(3),
      async (frames, lies, honest) => {
        const parts = partsOf(frames);
        const asset = framedAsset(NAME, parts);
        const images = [await cached(parts.slice(0, 1))];
        let answers = 0;
        server.lie = (answer) => {
          const number = answers++;
          const each = number < honest ? undefined : lies[number - honest];
          return each ? lieTo(each, asset.bytes)(answer) : answer;
        };
        await pull(asset, images, Buffer.concat(parts));
      },
    ),
    { numRuns: 60 },
  );
});

it("whatever its frames unpack to: an image is right, in little memory", async () => {
  const bomb = packed(Buffer.alloc(256 << 20));
  const change = fc.constantFrom<(frame: Buffer) => Buffer>(
    () => bomb,
    (frame) => Buffer.concat([frame, bomb]),
    (frame) => Buffer.concat([bomb, frame]),
    (frame) => Buffer.concat([frame, frame]),
    (frame) => frame.subarray(0, -1),
    (frame) => Buffer.concat([frame, Buffer.from("more")]),
    () => Buffer.from("no frame"),
  );
  await fc.assert(
    fc.asyncProperty(image, change, fc.nat(), async (frames, spoil, number) => {
      const parts = partsOf([...frames, [0]]);
      const made = framesOf(parts);
      const at = 1 + (number % (made.length - 1));
      const wrong = made.map((frame, index): Made => {
        const bytes = index === at ? spoil(frame.bytes) : frame.bytes;
        return { ...frame, bytes, size: bytes.length };
      });
      // As a whole it is right: a server that has another file under the same name, for ranges alone.
      const spoilt = joined(NAME, wrong, Buffer.concat(parts));
      const bytes = Buffer.concat([packed(Buffer.concat(parts)), skipped(spoilt.bytes.length + 100 * KIB)]);
      const asset = { ...assetOf(NAME, bytes, Buffer.concat(parts)), frames: spoilt.asset.frames };
      server.lie = ({ status, contentRange }) => {
        const [start, end] = /(\d+)-(\d+)/.exec(contentRange!)!.slice(1).map(Number);
        return { status, contentRange, body: spoilt.bytes.subarray(start, end! + 1) };
      };
      const before = process.memoryUsage().rss;
      await pull(
        { bytes, frames: spoilt.frames, asset },
        [await cached(parts.slice(0, 1))],
        Buffer.concat(parts),
      );
      expect(process.memoryUsage().rss - before).toBeLessThan(128 << 20);
    }),
    { numRuns: 30 },
  );
});

/** A frame of `size` bytes that decoders skip. */
function skipped(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt32LE(0x184d2a50, 0);
  bytes.writeUInt32LE(size - 8, 4);
  return bytes;
}
