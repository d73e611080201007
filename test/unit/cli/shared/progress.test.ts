import { Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createProgress } from "../../../../pipeline/cli/shared/progress.ts";
import { humanBytes } from "../../../../pipeline/util/human-bytes.ts";

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

  it("says once a minute how far a long step is, in bytes or in what the step counts", () => {
    const { stream, written } = stderr();
    const progress = createProgress({}, stream);
    progress.step("compile kernel-amd64");
    vi.advanceTimersByTime(59_000);
    progress.count(200, 2000, "objects");
    expect(written).toEqual(["- compile kernel-amd64\n"]);
    vi.advanceTimersByTime(1_000);
    progress.count(620, 2000, "objects");
    vi.advanceTimersByTime(120_000);
    progress.step("fetch x.zst");
    progress.bytes(500_000_000, 1_000_000_000);
    vi.advanceTimersByTime(60_000);
    progress.bytes(700_000_000, 0);
    vi.advanceTimersByTime(60_000);
    progress.step("docker build");
    vi.advanceTimersByTime(60_000);
    progress.end();
    vi.advanceTimersByTime(600_000);
    expect(written).toEqual([
      "- compile kernel-amd64\n",
      "  compile kernel-amd64: 200 of about 2000 objects, 1 min\n",
      "  compile kernel-amd64: 620 of about 2000 objects, 2 min\n",
      "  compile kernel-amd64: 620 of about 2000 objects, 3 min\n",
      "  180 s\n",
      "- fetch x.zst\n",
      "  fetch x.zst: 500 MB of 1.0 GB, 1 min\n",
      "  fetch x.zst: 700 MB, 2 min\n",
      "  120 s\n",
      "- docker build\n",
      "  docker build: 1 min\n",
      "  60 s\n",
    ]);
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

describe("a long step inside Actions", () => {
  it("says once a minute how far it is, in its group", () => {
    const { stream, written } = stderr();
    const progress = createProgress({ GITHUB_ACTIONS: "true" }, stream);
    progress.step("compress");
    progress.bytes(1_000_000, 2_000_000);
    vi.advanceTimersByTime(60_000);
    progress.end();
    vi.advanceTimersByTime(600_000);
    expect(written).toEqual(["::group::compress\n", "  compress: 1 MB of 2 MB, 1 min\n", "::endgroup::\n"]);
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

  it("counts what a step counts, without a rate of bytes", () => {
    const { stream, written } = stderr({ isTTY: true, columns: 80 });
    const progress = createProgress({}, stream);
    progress.step("compile kernel-amd64");
    vi.advanceTimersByTime(100_400);
    progress.count(500, 2000, "objects");
    expect(drawn(written).at(-1)).toBe(
      "… compile kernel-amd64  ███░░░░░░░ 500 of about 2000 objects, 302 s left  100 s",
    );
    // The total is another build's.
    vi.advanceTimersByTime(300_000);
    progress.count(2010, 2000, "objects");
    expect(drawn(written).at(-1)).toContain(" 2010 of about 2010 objects, 0 s left");
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

  const fetching = (columns: number) => {
    const { stream, written } = stderr({ isTTY: true, columns });
    const progress = createProgress({}, stream);
    progress.step("fetch codex-amd64-ubuntu-rootfs.ext4.zst");
    vi.advanceTimersByTime(30_400);
    progress.bytes(500_000_000, 1_000_000_000);
    const line = drawn(written).at(-1)!;
    progress.end();
    return { line, last: drawn(written).at(-1)! };
  };
  it.each([
    [100, "… fetch codex-amd64-ubuntu-rootfs.ext4.zst  ██████████░░░░░░░░░░ 50 %  16 MB/s, 31 s left  30 s"],
    [60, "… fetch codex-amd64-ubuntu…  50 %  16 MB/s, 31 s left  30 s"],
    [40, "… fetch codex-amd…  50 %  16 MB/s  30 s"],
    [30, "… fetch codex-am…  50 %  30 s"],
    [20, "… fetch code…  50 %"],
  ])("at %i columns cuts the title, and keeps how far the step is", (columns, line) => {
    expect(fetching(columns).line).toBe(line);
  });

  it("never wraps from 20 columns on, and always says how far it is", () => {
    for (let columns = 20; columns < 140; columns++) {
      const { line, last } = fetching(columns);
      expect([columns, line.length < columns, last.trimEnd().length < columns]).toEqual([
        columns,
        true,
        true,
      ]);
      expect(line).toContain("50 %");
      expect(last).toMatch(/^✓ .+ {2}30 s\n$/);
    }
  });

  it.each([
    [80, "… compile  ██████░░░░░░░░░░░░░░ 620 of about 2000 objects, 68 s left  30 s"],
    [40, "… compile  ████░░░░░░░░░ 620/2000  30 s"],
    [24, "… compile  620/2000"],
  ])("counts objects at %i columns", (columns, start) => {
    const { stream, written } = stderr({ isTTY: true, columns });
    const progress = createProgress({}, stream);
    progress.step("compile");
    vi.advanceTimersByTime(30_400);
    progress.count(620, 2000, "objects");
    const line = drawn(written).at(-1)!;
    expect(line.startsWith(start), line).toBe(true);
    expect(line.length).toBeLessThan(columns);
    progress.end();
  });

  it("is as wide as most where the terminal does not say how wide it is", () => {
    expect(fetching(0).line).toBe(fetching(80).line);
  });

  it.each<[NodeJS.ProcessEnv, boolean]>([
    [{ TERM: "dumb" }, false],
    [{ CI: "true" }, false],
    [{ CI: "1" }, false],
    [{ CI: "false" }, true],
    [{ CI: "" }, true],
    [{ NO_COLOR: "1", TERM: "xterm" }, true],
  ])("with %j moves the cursor: %s; and has no colour", (env, moves) => {
    const { stream, written } = stderr({ isTTY: true, columns: 80 });
    const progress = createProgress(env, stream);
    progress.step("compress");
    progress.end();
    expect(written.join("").includes("\u001b[")).toBe(moves);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what a terminal is told
    expect(written.join("")).not.toMatch(/\u001b\[[\d;]*m/);
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

  it("leaves one line per finished step, and a mark on the one that warned and on the one that failed", () => {
    const { stream, written } = stderr({ isTTY: true, columns: 80 });
    const progress = createProgress({}, stream);
    progress.step("pull debian");
    progress.warn("cannot pull debian; trying the next source");
    progress.step("docker build");
    vi.advanceTimersByTime(3_000);
    progress.step("compress");
    vi.advanceTimersByTime(2_000);
    progress.warn("the disk is nearly full");
    process.exitCode = 2;
    progress.end();
    process.exitCode = undefined;
    expect(drawn(written).filter((text) => text.endsWith("\n"))).toEqual([
      "warning: cannot pull debian; trying the next source\n",
      "! pull debian  0 s\n",
      "✓ docker build  3 s\n",
      "warning: the disk is nearly full\n",
      "✗ compress  2 s\n",
    ]);
  });

  it("marks the last step that warned, too", () => {
    const { stream, written } = stderr({ isTTY: true, columns: 80 });
    const progress = createProgress({}, stream);
    progress.step("boot");
    progress.warn("KVM does not run the guest");
    progress.end();
    expect(drawn(written).at(-1)).toBe("! boot  0 s\n");
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
