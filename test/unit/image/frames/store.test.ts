import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FrameStore } from "../../../../pipeline/image/frames/store.ts";
import { tempDirectory } from "../../../support/run.ts";

const RECIPE = "19-0123456789ab";
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const CONTENT = sha256("content");

/** Where something was made that a store may take. */
function made(text: string): string {
  const path = join(tempDirectory(), "0.zst");
  writeFileSync(path, text);
  return path;
}
const daysAgo = (days: number) => new Date(Date.now() - days * 24 * 60 * 60 * 1000);

it("a store gives the frames that it took, to the next process as well", async () => {
  const directory = join(tempDirectory(), "frames");
  const store = await FrameStore.open(directory, RECIPE);
  expect(await store.find(CONTENT)).toBeUndefined();
  const path = await store.add(CONTENT, made("frame"));
  expect(readFileSync(path, "utf8")).toBe("frame");
  expect(await store.find(CONTENT)).toBe(path);
  expect(await (await FrameStore.open(directory, RECIPE)).find(CONTENT)).toBe(path);
});

it("a store keeps frames of another recipe apart, and ignores all for a fresh build", async () => {
  const directory = tempDirectory();
  await (await FrameStore.open(directory, RECIPE)).add(CONTENT, made("frame"));
  expect(await (await FrameStore.open(directory, "3-0123456789ab")).find(CONTENT)).toBeUndefined();
  const fresh = await FrameStore.open(directory, RECIPE, true);
  expect(await fresh.find(CONTENT)).toBeUndefined();
  expect(await fresh.find(CONTENT)).toBeUndefined();
  const path = await fresh.add(CONTENT, made("frame"));
  expect(await fresh.find(CONTENT)).toBe(path);
});

it.each(["", "another", "frame and more"])("a store removes a frame that became %j", async (text) => {
  const directory = tempDirectory();
  const path = await (await FrameStore.open(directory, RECIPE)).add(CONTENT, made("frame"));
  writeFileSync(path, text);
  const store = await FrameStore.open(directory, RECIPE);
  expect(await store.find(CONTENT)).toBeUndefined();
  expect(readdirSync(directory)).toEqual([]);
});

it("a store removes what has not been used for long, and nothing that is not its own", async () => {
  const directory = tempDirectory();
  const store = await FrameStore.open(directory, RECIPE);
  const [used, unused] = [await store.add(CONTENT, made("one")), await store.add(sha256("two"), made("two"))];
  const image = async (of: FrameStore) => await of.imageOf(sha256("list"), async () => sha256("image"));
  await image(store);
  writeFileSync(join(directory, "notes.txt"), "");
  for (const name of readdirSync(directory)) utimesSync(join(directory, name), daysAgo(31), daysAgo(31));
  utimesSync(used, daysAgo(29), daysAgo(29));
  const later = await FrameStore.open(directory, RECIPE);
  expect(readdirSync(directory).sort()).toEqual([used.split("/").at(-1), "notes.txt"].sort());
  expect(await later.find(sha256("two"))).toBeUndefined();
  expect(unused).not.toBe(used);
  // A use counts, not the making.
  expect(await later.find(CONTENT)).toBe(used);
  expect(statSync(used).mtimeMs).toBeGreaterThan(daysAgo(1).getTime());
});

it("a store knows the image of a list of frames, except in a fresh build", async () => {
  const directory = tempDirectory();
  const list = sha256("list");
  const image = async (fresh: boolean, digest: string) =>
    await (await FrameStore.open(directory, RECIPE, fresh)).imageOf(list, async () => sha256(digest));
  expect(await image(false, "first")).toBe(sha256("first"));
  expect(await image(false, "second")).toBe(sha256("first"));
  expect(await image(true, "third")).toBe(sha256("third"));
  writeFileSync(join(directory, `${list}.image`), "damaged");
  expect(await image(false, "fourth")).toBe(sha256("fourth"));
});
