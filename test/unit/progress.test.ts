import { Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createProgress, humanBytes } from "../../pipeline/cli/progress.ts";

/** What stderr is given, write by write. */
function stderr(terminal: { isTTY?: boolean; columns?: number } = {}) {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      written.push(chunk.toString("utf8"));
      done();
    },
  });
  return { stream: Object.assign(stream, terminal) as unknown as NodeJS.WriteStream, written };
}

/** The text of a live line's writes, without the codes that move the cursor. */
const drawn = (written: readonly string[]) =>
  written.map((write) => stripVTControlCharacters(write)).filter((text) => text);

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "setInterval", "clearInterval"] }));
afterEach(() => {
  vi.useRealTimers();
  process.exitCode = undefined;
});

describe("progress on a pipe", () => {
  it("is a line per step, with its time when that was long enough to matter", () => {
    const { stream, written } = stderr();
    const progress = createProgress({}, stream);
    progress.step("docker build");
    vi.advanceTimersByTime(42_000);
    progress.bytes(1, 2);
    progress.step("compress");
    progress.warn("KVM does not work here");
    progress.end();
    expect(written.join("")).toBe("- docker build\n  42 s\n- compress\nwarning: KVM does not work here\n");
  });

  it("is a line per step on a CI machine too, though it may look like a terminal", () => {
    const { stream, written } = stderr({ isTTY: true, columns: 80 });
    const progress = createProgress({ CI: "true" }, stream);
    progress.step("docker build");
    progress.end();
    expect(written.join("")).toBe("- docker build\n");
  });
});

describe("progress inside Actions", () => {
  it("is a group per step, each closed before the next and at the end, once", () => {
    const { stream, written } = stderr();
    const progress = createProgress({ GITHUB_ACTIONS: "true", CI: "true" }, stream);
    progress.step("docker build");
    progress.warn("KVM does not work here");
    progress.step("compress");
    progress.end();
    progress.end();
    expect(written.join("").trim().split("\n")).toEqual([
      "::group::docker build",
      "::warning::KVM does not work here",
      "::endgroup::",
      "::group::compress",
      "::endgroup::",
    ]);
  });
});

describe("progress on a terminal", () => {
  const long = `docker build ${"dockerfiles/".repeat(10)}x.Dockerfile`;

  it("is one live line that never wraps", () => {
    const { stream, written } = stderr({ isTTY: true, columns: 80 });
    const progress = createProgress({}, stream);
    progress.step(long);
    vi.advanceTimersByTime(1_000);
    progress.bytes(600, 1000);
    const lines = drawn(written);
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) {
      expect(line).not.toContain("\n");
      // The last column is left free: some terminals wrap when it is filled.
      expect(line.length).toBeLessThan(80);
    }
    progress.end();
  });

  it("shows how far a step is, and that it is alive", () => {
    const { stream, written } = stderr({ isTTY: true, columns: 80 });
    const progress = createProgress({}, stream);
    progress.step("compress");
    vi.advanceTimersByTime(30_400);
    progress.bytes(500_000_000, 1_000_000_000);
    expect(drawn(written).at(-1)).toBe("… compress  ██████████░░░░░░░░░░ 50 %  16 MB/s, 31 s left  30 s");
    vi.advanceTimersByTime(1_000);
    expect(drawn(written).at(-1)).toContain("31 s");
    progress.end();
  });

  it("makes the bar shorter, so that a long title leaves room for the rate", () => {
    const { stream, written } = stderr({ isTTY: true, columns: 80 });
    const progress = createProgress({}, stream);
    progress.step("fetch codex-amd64-ubuntu-rootfs.ext4.zst");
    vi.advanceTimersByTime(10_400);
    progress.bytes(50_000_000, 200_000_000);
    expect(drawn(written).at(-1)).toBe(
      "… fetch codex-amd64-ubuntu-rootfs.ext4.zst  █░░░░ 25 %  5 MB/s, 32 s left  10 s",
    );
    progress.end();
  });

  it("shows no share of a length that nobody knows", () => {
    const { stream, written } = stderr({ isTTY: true, columns: 80 });
    const progress = createProgress({}, stream);
    progress.step("fetch");
    vi.advanceTimersByTime(2_500);
    progress.bytes(500, 0);
    vi.advanceTimersByTime(1_000);
    expect(drawn(written).join()).not.toMatch(/NaN|Infinity|%/);
    progress.end();
  });

  it("leaves one line per finished step, and a mark on the one that failed", () => {
    const { stream, written } = stderr({ isTTY: true, columns: 80 });
    const progress = createProgress({}, stream);
    progress.step("docker build");
    vi.advanceTimersByTime(3_000);
    progress.step("compress");
    vi.advanceTimersByTime(2_000);
    progress.warn("the disk is nearly full");
    process.exitCode = 2;
    progress.end();
    process.exitCode = undefined;
    expect(drawn(written).filter((text) => text.endsWith("\n"))).toEqual([
      "✓ docker build  3 s\n",
      "warning: the disk is nearly full\n",
      "✗ compress  2 s\n",
    ]);
  });

  it("is silent after its end", () => {
    const { stream, written } = stderr({ isTTY: true, columns: 80 });
    const progress = createProgress({}, stream);
    progress.step("compress");
    progress.end();
    const before = written.length;
    vi.advanceTimersByTime(10_000);
    progress.end();
    expect(written.length).toBe(before);
  });
});

describe("a size", () => {
  it.each([
    [0, "0 kB"],
    [1, "1 kB"],
    [12_000, "12 kB"],
    [345_400_000, "345 MB"],
    [4_294_967_296, "4.3 GB"],
  ])("of %i bytes reads %s", (bytes, text) => {
    expect(humanBytes(bytes)).toBe(text);
  });
});
