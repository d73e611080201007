import { clearLine, cursorTo } from "node:readline";
import type { Progress } from "../schema/progress.ts";

/** How often a bar is drawn anew, ms. */
const REDRAW_MS = 100;
const BAR_WIDTH = 20;

/** Progress that is told when the last step has ended. */
export type CliProgress = Progress & { end(): void };

/** Progress on stderr: a live line on a terminal, a group per step inside Actions, else a line per step. */
export function createProgress(env: NodeJS.ProcessEnv, stream: NodeJS.WriteStream): CliProgress {
  if (env.GITHUB_ACTIONS) return groups(stream);
  return stream.isTTY && !env.CI ? liveLine(stream) : lines(stream);
}

function lines(stream: NodeJS.WriteStream): CliProgress {
  let ended = () => {};
  return {
    step(title) {
      ended();
      stream.write(`- ${title}\n`);
      const started = performance.now();
      ended = () => {
        if (seconds(started) >= 1) stream.write(`  ${seconds(started)} s\n`);
      };
    },
    bytes() {},
    warn: (line) => void stream.write(`warning: ${line}\n`),
    end() {
      ended();
      ended = () => {};
    },
  };
}

function groups(stream: NodeJS.WriteStream): CliProgress {
  let open = false;
  const close = () => {
    if (open) stream.write("::endgroup::\n");
    open = false;
  };
  return {
    step(title) {
      close();
      open = true;
      stream.write(`::group::${title}\n`);
    },
    bytes() {},
    warn: (line) => annotate("warning", line, stream),
    end: close,
  };
}

/** What Actions shows on the page of the run. */
export function annotate(
  level: "warning" | "error",
  line: string,
  stream: NodeJS.WriteStream = process.stderr,
): void {
  stream.write(
    `::${level}::${line.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A")}\n`,
  );
}

function liveLine(stream: NodeJS.WriteStream): CliProgress {
  let title: string | undefined;
  let started = 0;
  let drawn = 0;
  /** How far the step is: a share, and in words; undefined where nobody knows. */
  let far: { readonly share: number; readonly words: string } | undefined;
  const draw = () => {
    if (title === undefined) return;
    drawn = performance.now();
    const head = `… ${title}  `;
    const tail = `${far?.words ?? ""}${seconds(started)} s`;
    const room = stream.columns - 2 - head.length - tail.length;
    clearLine(stream, 0);
    cursorTo(stream, 0);
    stream.write(`${head}${far ? bar(far.share, room) : ""}${tail}`.slice(0, stream.columns - 1));
  };
  const timer = setInterval(draw, 1000);
  timer.unref();
  const finish = (mark: string) => {
    if (title === undefined) return;
    clearLine(stream, 0);
    cursorTo(stream, 0);
    stream.write(`${mark} ${title}  ${seconds(started)} s\n`);
    title = undefined;
  };
  return {
    step(next) {
      finish("✓");
      title = next;
      started = performance.now();
      far = undefined;
      draw();
    },
    bytes(done, total) {
      if (performance.now() - drawn < REDRAW_MS || total === 0) return;
      const share = Math.min(1, done / total);
      far = { share, words: `${Math.floor(share * 100)} %  ${pace(done, total, started)}` };
      draw();
    },
    warn(line) {
      clearLine(stream, 0);
      cursorTo(stream, 0);
      stream.write(`warning: ${line}\n`);
      draw();
    },
    end() {
      finish(process.exitCode ? "✗" : "✓");
      clearInterval(timer);
    },
  };
}

/** As wide as there is room; none where that is too little to see anything. */
function bar(share: number, room: number): string {
  const width = Math.min(BAR_WIDTH, room);
  const full = Math.round(share * width);
  return width < 5 ? "" : `${"█".repeat(full)}${"░".repeat(width - full)} `;
}

/** How fast it goes, and how long it will take at that rate; nothing while that is a guess. */
function pace(done: number, total: number, started: number): string {
  const elapsed = (performance.now() - started) / 1000;
  if (elapsed < 1 || done === 0) return "";
  const rate = done / elapsed;
  return `${humanBytes(rate)}/s, ${Math.ceil((total - done) / rate)} s left  `;
}

const seconds = (started: number) => Math.round((performance.now() - started) / 1000);

/** `1.2 GB`, `345 MB`, `12 kB`: decimal units, as disks and downloads are counted. */
export function humanBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${Math.round(bytes / 1e6)} MB`;
  return `${Math.ceil(bytes / 1e3)} kB`;
}
