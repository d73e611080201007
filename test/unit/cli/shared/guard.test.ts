import { Writable } from "node:stream";
import { afterEach, describe, expect, it, vi } from "vitest";
import { asData, writeCommand } from "../../../../pipeline/cli/shared/guard.ts";
import { githubToken, redact, takeToken } from "../../../../pipeline/cli/shared/token.ts";

describe("a line of data in the log of GitHub Actions", () => {
  it.each([
    ["::error::planted", ": :error::planted"],
    ["  ::set-env name=PATH::/tmp", "  : :set-env name=PATH::/tmp"],
    ["first\n\t::stop-commands::x\n", "first\n\t: :stop-commands::x\n"],
    ["\u0085 ::error::planted", "\u0085 : :error::planted"],
    ["first\r::error::planted", "first\r: :error::planted"],
    ["12:30 ##[debug]planted", "12:30 ## [debug]planted"],
  ])("is no command: %j", (text, harmless) => expect(asData(text)).toBe(harmless));

  it.each(["std::string", "a: :b", "https://[::1]/", "## [1]"])("stays as it is: %j", (text) =>
    expect(asData(text)).toBe(text),
  );
});

it("a command keeps its value on its line", () => {
  const written: string[] = [];
  const stream = new Writable({ write: (chunk, _, done) => done(void written.push(String(chunk)) as never) });
  writeCommand(stream, "warning", "100 %\r\n::error::planted");
  expect(written).toEqual(["::warning::100 %25%0D%0A::error::planted\n"]);
});

describe("the token", () => {
  afterEach(() => vi.unstubAllEnvs());

  it("is taken out of the environment once, and out of every text", () => {
    vi.stubEnv("GITHUB_TOKEN", "sesame");
    takeToken();
    expect([process.env.GITHUB_TOKEN, githubToken()]).toEqual([undefined, "sesame"]);
    expect(redact("bearer sesame, sesame")).toBe("bearer ***, ***");
    takeToken();
    expect(githubToken()).toBe("sesame");
  });

  it("is none where the variable is empty", () => {
    vi.stubEnv("GITHUB_TOKEN", "");
    expect(githubToken()).toBeUndefined();
    expect(redact("a text")).toBe("a text");
  });
});
