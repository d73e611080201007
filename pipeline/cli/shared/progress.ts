import { clearLine, cursorTo } from "node:readline";
import { humanBytes } from "../../util/human-bytes.ts";
import type { Progress } from "../../util/progress.ts";
import { writeCommand } from "./guard.ts";

/** The shortest time between two updates of the live line, ms. */
const REDRAW_MS = 100;
/** How often the progress of a long step is printed if there is no live line, ms. */
const REPORT_MS = 60_000;
const BAR_WIDTH = 20;

/** Progress on the command line. */
export type CliProgress = Progress & {
  /** Ends the last step. */
  end(): void;
};

/**
 * Progress on stderr. A terminal that can move its cursor shows a live line. GitHub Actions shows a group per step.
 * Otherwise it is one line per step, and one line per minute in long steps. There are no colours, so NO_COLOR has no effect.
 */
export function createProgress(env: NodeJS.ProcessEnv, stream: NodeJS.WriteStream): CliProgress {
  if (env.GITHUB_ACTIONS) return groups(stream);
  const isCi = env.CI !== undefined && !/^(|0|false)$/i.test(env.CI);
  return stream.isTTY && env.TERM !== "dumb" && !isCi ? liveLine(stream) : lines(stream);
}

function lines(stream: NodeJS.WriteStream): CliProgress {
  const { begin, bytes, count, finish } = minutes(stream);
  let ended = () => {};
  return {
    step(title) {
      ended();
      stream.write(`- ${title}\n`);
      begin(title);
      const started = performance.now();
      ended = () => {
        if (seconds(started) >= 1) stream.write(`  ${seconds(started)} s\n`);
      };
    },
    bytes,
    count,
    warn: (line) => void stream.write(`warning: ${line}\n`),
    end() {
      finish();
      ended();
      ended = () => {};
    },
  };
}

/** Prints one line per minute with the progress of the current step. */
function minutes(stream: NodeJS.WriteStream) {
  let timer: NodeJS.Timeout | undefined;
  /** The progress as text, with `, ` at its end; empty if it is not known. */
  let far = "";
  const finish = () => clearInterval(timer);
  return {
    begin(title: string) {
      finish();
      far = "";
      const started = performance.now();
      timer = setInterval(() => {
        stream.write(`  ${title}: ${far}${Math.round(seconds(started) / 60)} min\n`);
      }, REPORT_MS).unref();
    },
    bytes(done: number, total: number) {
      far = `${humanBytes(done)}${total > 0 ? ` of ${humanBytes(total)}` : ""}, `;
    },
    count(done: number, total: number, unit: string) {
      far = `${counted(done, total, unit)}, `;
    },
    finish,
  };
}

function groups(stream: NodeJS.WriteStream): CliProgress {
  const { begin, bytes, count, finish } = minutes(stream);
  let open = false;
  const close = () => {
    finish();
    if (open) writeCommand(stream, "endgroup");
    open = false;
  };
  return {
    step(title) {
      close();
      open = true;
      writeCommand(stream, "group", title);
      begin(title);
    },
    bytes,
    count,
    warn: (line) => annotate("warning", line, stream),
    end: close,
  };
}

/** Prints an annotation, which GitHub Actions shows on the page of the run. */
export function annotate(
  level: "warning" | "error",
  line: string,
  stream: NodeJS.WriteStream = process.stderr,
  properties: Readonly<Record<string, string>> = {},
): void {
  const all = Object.entries(properties).map(
    ([name, value]) => `${name}=${value.replace(/[%\r\n:,]/g, encodeURIComponent)}`,
  );
  writeCommand(stream, [level, all.join(",")].join(" ").trim(), line);
}

function liveLine(stream: NodeJS.WriteStream): CliProgress {
  let title: string | undefined;
  let started = 0;
  let drawn = 0;
  /** Whether the step has warned: what it tried first may have failed. */
  let warned = false;
  /** The progress of the step: a share from 0 to 1, and its texts; undefined if it is not known. */
  let far: { readonly share: number; readonly words: Words } | undefined;
  const draw = () => {
    if (title === undefined) return;
    drawn = performance.now();
    const { head, tail, room } = fitted("…", title, tails(far?.words, seconds(started)), widthOf(stream));
    clearLine(stream, 0);
    cursorTo(stream, 0);
    stream.write(`${head}${far ? bar(far.share, room - 1) : ""}${tail}`);
  };
  const timer = setInterval(draw, 1000);
  timer.unref();
  const show = (done: number, total: number, words: () => Words) => {
    if (performance.now() - drawn < REDRAW_MS || total === 0) return;
    far = { share: Math.min(1, done / total), words: words() };
    draw();
  };
  const finish = (mark: string) => {
    if (title === undefined) return;
    clearLine(stream, 0);
    cursorTo(stream, 0);
    const { head, tail } = fitted(mark, title, tails(undefined, seconds(started)), widthOf(stream));
    stream.write(`${head}${tail}\n`);
    title = undefined;
  };
  return {
    step(next) {
      finish(warned ? "!" : "✓");
      warned = false;
      title = next;
      started = performance.now();
      far = undefined;
      draw();
    },
    bytes(done, total) {
      const percent = () => Math.floor(Math.min(1, done / total) * 100);
      show(done, total, () => ({
        ...{ full: `${percent()} %`, short: `${percent()} %`, separator: "  " },
        ...pace(done, total, started, humanBytes),
      }));
    },
    count(done, total, unit) {
      show(done, total, () => ({
        ...{ full: counted(done, total, unit), short: `${done}/${Math.max(done, total)}`, separator: ", " },
        ...pace(done, total, started),
      }));
    },
    warn(line) {
      clearLine(stream, 0);
      cursorTo(stream, 0);
      stream.write(`warning: ${line}\n`);
      warned = true;
      draw();
    },
    end() {
      finish(process.exitCode ? "✗" : warned ? "!" : "✓");
      clearInterval(timer);
    },
  };
}

/** A progress bar of at most `room` columns; empty if there is too little room. */
function bar(share: number, room: number): string {
  const width = Math.min(BAR_WIDTH, room);
  const full = Math.round(share * width);
  return width < 5 ? "" : `${"█".repeat(full)}${"░".repeat(width - full)} `;
}

/** The rate, if `amount` formats it, and the remaining time; empty in the first second, when both are unreliable. */
function pace(
  done: number,
  total: number,
  started: number,
  amount?: (rate: number) => string,
): Pick<Words, "rate" | "left"> {
  const elapsed = (performance.now() - started) / 1000;
  if (elapsed < 1 || done === 0) return {};
  const rate = done / elapsed;
  const left = `${Math.ceil(Math.max(0, total - done) / rate)} s left`;
  return amount ? { rate: `${amount(rate)}/s`, left } : { left };
}

/** The texts of a step's progress. */
interface Words {
  /** `50 %`, `620 of about 2000 objects`. */
  readonly full: string;
  /** Used if `full` is too long. */
  readonly short: string;
  /** Between `full` and the rate. */
  readonly separator: string;
  readonly rate?: string;
  readonly left?: string;
}

/** The possible ends of a line, the longest first. On a narrow terminal the remaining time is omitted first, then the rate. */
function tails(words: Words | undefined, since: number): string[] {
  const now = `${since} s`;
  if (!words) return [now];
  const { full, short, separator, rate, left } = words;
  const paces = [[rate, left].filter((each) => each !== undefined).join(", "), rate].filter((each) => each);
  return [
    ...paces.map((each) => `${full}${separator}${each}  ${now}`),
    ...[`${full}  ${now}`, `${short}  ${now}`, short],
  ];
}

/** A title keeps at least this many columns; the end of the line is shortened first. */
const TITLE_LEAST = 12;

/** Fits a line into the terminal's width by shortening its end and its title. `room` is the number of free columns. */
function fitted(mark: string, title: string, ends: readonly string[], columns: number) {
  // Some terminals wrap when the last column is used.
  const width = columns - 1 - `${mark}   `.length;
  const wanted = Math.min(title.length, TITLE_LEAST);
  const tail = ends.find((each) => width - each.length >= wanted) ?? ends.at(-1)!;
  const most = width - tail.length;
  const cut = title.length <= most ? title : most > 1 ? `${title.slice(0, most - 1)}…` : "";
  return { head: cut ? `${mark} ${cut}  ` : `${mark} `, tail, room: most - cut.length };
}

/** The width of a terminal, columns. @default 80 if it is not known */
const widthOf = ({ columns }: NodeJS.WriteStream): number => (columns > 0 ? columns : 80);

/** `620 of about 2000 objects`. The total is an estimate from another build; `done` may be larger. */
const counted = (done: number, total: number, unit: string) =>
  `${done} of about ${Math.max(done, total)} ${unit}`;

const seconds = (started: number) => Math.round((performance.now() - started) / 1000);
