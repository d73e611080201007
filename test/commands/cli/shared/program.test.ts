import { execFile } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Command, Option } from "commander";
import { afterEach, describe, expect, it, vi } from "vitest";
import { OutputError } from "../../../../pipeline/cli/shared/output.ts";
import { runProgram } from "../../../../pipeline/cli/shared/program.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import { PROGRAM, REPOSITORY, SMOLVM } from "../../../support/project.ts";
import { tempDirectory } from "../../../support/run.ts";

const PIPELINE = PROGRAM.join(" ");
const CLIENT = SMOLVM.join(" ");

/** Runs a line of the shell in the checkout; the exit code of a pipe is that of its first command that failed. */
const shell = async (line: string) => {
  const run = promisify(execFile)("bash", ["-o", "pipefail", "-c", line], {
    cwd: REPOSITORY,
    env: { ...process.env, GITHUB_ACTIONS: "" },
  });
  return await run.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );
};

describe("stdout", { timeout: 120_000 }, () => {
  it.each([`${PIPELINE} list --json`, `${CLIENT} --help`])(
    "that nobody reads ends `%s` quietly",
    async (line) => {
      expect(await shell(`${line} | true`)).toEqual({ code: 141, stdout: "", stderr: "" });
    },
  );

  it("on a full disk ends with one line", async () => {
    expect(await shell(`${PIPELINE} --help > /dev/full`)).toEqual({
      code: 2,
      stdout: "",
      stderr: "error: cannot write to stdout: no space left on device\n",
    });
  });

  it("on a disk that takes a part of it is no success", async () => {
    const file = join(tempDirectory(), "out");
    const { code, stderr } = await shell(`ulimit -f 4; ${PIPELINE} list --json > ${file}`);
    expect(stderr).toBe("error: cannot write to stdout: file too large\n");
    expect(code).toBe(2);
    expect(statSync(file).size).toBe(4096);
  });

  it("is written whole also where stderr is full or closed", async () => {
    const whole = await shell(`${PIPELINE} list --json 2> /dev/full | cat`);
    expect(JSON.parse(whole.stdout).length).toBeGreaterThan(20);
    expect(await shell(`${PIPELINE} list --json 2>&- | cat`)).toEqual(whole);
    expect(whole.code).toBe(0);
  });
});

/** What a program of one's own says, and ends with. */
async function said(argv: string[], work: () => unknown = () => {}) {
  let text = "";
  vi.spyOn(process.stderr, "write").mockImplementation((chunk) => {
    text += chunk;
    return true;
  });
  vi.stubEnv("GITHUB_ACTIONS", "");
  const list = new Command("list")
    .option("--json", "as data")
    .option("--cache <dir>", "from there")
    .option("--only <names>", "those")
    .action(async () => void (await work()));
  const release = new Command("release").addCommand(
    new Command("prune").requiredOption("--keep <n>", "so many"),
  );
  const options = [new Option("--app <file>", "the declaration")];
  await runProgram(new Command("tool"), [list, release], argv, { options, mayBeEmpty: ["--only"] });
  return { text, code: process.exitCode };
}
afterEach(() => {
  process.exitCode = undefined;
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

describe("a command line that is wrong", () => {
  it.each([
    [["lits"], "unknown command 'lits' (did you mean list?); one of: list, release"],
    [["release", "x"], "unknown command 'x'; one of: prune"],
    [
      ["list", "--jsn"],
      "unknown option '--jsn' (did you mean --json?); one of: --json, --cache, --only, --app, --debug",
    ],
    [
      ["list", "a\nb"],
      "too many arguments for 'list'. Expected 0 arguments but got 1; see `tool list --help`",
    ],
    [["list", "--a\nb"], "unknown option '--a\\nb'; one of: --json, --cache, --only, --app, --debug"],
    [["release", "prune"], "required option '--keep <n>' not specified; see `tool release prune --help`"],
    [["release", "prune", "--keep"], "option '--keep <n>' argument missing; see `tool release prune --help`"],
    [["--x"], "unknown option '--x'; one of: --version, --app, --debug"],
    [["list", "--cache", ""], "option '--cache <dir>' has an empty value; see `tool list --help`"],
    [["list", "--cache="], "option '--cache <dir>' has an empty value; see `tool list --help`"],
    [["--app", "", "list"], "option '--app <file>' has an empty value; see `tool list --help`"],
  ])("%j gets one line, with what there is", async (argv, message) => {
    expect(await said(argv)).toEqual({ text: `error: ${message}\n`, code: 2 });
  });
});

it("an option may be empty where that means something", async () => {
  expect(await said(["list", "--only", ""])).toEqual({ text: "", code: undefined });
});

describe("an error of a command", () => {
  it("is one line, whatever a name in it holds", async () => {
    const { text } = await said(["list"], () => Promise.reject(new PipelineError("no a\nb\u001b[31m")));
    expect(text).toBe("error: no a\\nb\\u001b[31m\n");
  });

  it("does not repeat all of a value that is longer than a page", async () => {
    const { text } = await said(["list"], () =>
      Promise.reject(new PipelineError(`no ${"x".repeat(9000)}: y`)),
    );
    expect(text).toMatch(/^error: no x+ … x+: y\n$/);
    expect(text.length).toBeLessThan(2100);
  });

  it("that the system has is named with its path, and is no defect", async () => {
    const directory = tempDirectory();
    expect((await said(["list"], () => readFileSync(join(directory, "x".repeat(300))))).text).toMatch(
      /^error: cannot open \S+: name too long; check this path, its disk and its permissions\n$/,
    );
  });

  it("that nobody foresaw is a defect", async () => {
    expect(await said(["list"], () => Promise.reject(new TypeError("x is undefined")))).toEqual({
      text: "error: unexpected: x is undefined\n(this is a defect of this program; --debug shows the stack trace)\n",
      code: 2,
    });
  });

  it("of an output that is closed says nothing", async () => {
    const closed = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    expect(await said(["list"], () => Promise.reject(new OutputError(closed)))).toEqual({
      text: "",
      code: 141,
    });
  });
});

it("smolvm in a directory that has been removed says so", async () => {
  const gone = join(tempDirectory(), "gone");
  expect(
    await shell(`mkdir ${gone}; cd ${gone}; rmdir ${gone}; node ${join(REPOSITORY, "bin/smolvm.js")} images`),
  ).toEqual({
    code: 2,
    stdout: "",
    stderr: "error: the current directory no longer exists: change to another one\n",
  });
});

it("both programs say their version, and the release that they know", async () => {
  const { tag } = JSON.parse(readFileSync(join(REPOSITORY, "out/manifest.json"), "utf8"));
  const { version } = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8"));
  expect((await shell(`${PIPELINE} --version; ${CLIENT} -V`)).stdout).toBe(
    `smolvm-images ${version} (${tag})\nsmolvm ${version} (${tag})\n`,
  );
});
