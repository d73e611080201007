import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli } from "../../../support/project.ts";
import { sampleCells, sampleCheckout } from "../../../support/tree.ts";

/** Whatever is asked for, no test here gets as far as Docker. */
const env = {
  DOCKER_HOST: "unix:///nonexistent/docker.sock",
  GITHUB_ACTIONS: undefined,
  NODE_EXTRA_CA_CERTS: undefined,
};
const CODEX = "codex-amd64-debian";

const { refused } = sampleCells();
const root = mkdtempSync(join(tmpdir(), "smolvm-cell-"));
beforeAll(() => void sampleCheckout(root));
afterAll(() => rmSync(root, { recursive: true }));

describe.concurrent("a `cell` command that cannot be carried out", () => {
  it.each<[string, string[], RegExp | string]>([
    [
      "names a flavor that is not there",
      [CODEX, "codex-amd64-fedora"],
      /^unknown flavor "fedora"; one of: ubuntu, alpine, debian$/,
    ],
    [
      "names a preset that is not there",
      ["claude-amd64-debian"],
      /^unknown preset "claude"; one of: .*\bclaude-code\b/,
    ],
    [
      "names a cell that can be none",
      ["codex"],
      /^unknown cell "codex": a cell is <preset>-<arch>-<flavor>.*npx smolvm-images list/,
    ],
    [
      "asks for a preset where it is refused",
      ["openclaw-amd64-alpine"],
      `openclaw is not offered on alpine: ${refused.openclaw?.alpine}; it is on ubuntu, debian`,
    ],
    ["wants a level that zstd does not have", [CODEX, "--level", "20"], /--level.*'20'.*from 1 to 19/],
    ["wants a store that is not there", [CODEX, "--store", "s3:bucket"], /--store.*'s3:bucket'.*dir:PATH/],
    [
      "gives half a hash",
      [CODEX, "--rootfs-sha256", "abc123"],
      /--rootfs-sha256.*'abc123'.*64 lower-case hex digits/,
    ],
    [
      "gives a ramdisk without its kernel",
      [CODEX, "--initrd", "initrd.img"],
      /^--initrd is given without --kernel: add --kernel PATH$/,
    ],
    [
      "finds no Docker",
      [CODEX],
      /^Docker is .*no unix:\/\/\/nonexistent\/docker\.sock.*(apt-get install|systemctl start)/,
    ],
  ])("because it %s, says so in one line and exits 2", async (_, args, message) => {
    const { exitCode, stdout, stderr } = await cli(root, ["cell", ...args], { env });
    expect(stderr).toMatch(/^error: [^\n]+\n$/);
    // A text is all of it.
    const said = stderr.trim().replace(/^error: /, "");
    if (typeof message === "string") expect(said).toBe(message);
    else expect(said).toMatch(message);
    expect([exitCode, stdout]).toEqual([2, ""]);
  });

  it("because SOURCE_DATE_EPOCH is no time, says so in one line and exits 2", async () => {
    const { exitCode, stdout, stderr } = await cli(root, ["cell", CODEX], {
      env: { ...env, SOURCE_DATE_EPOCH: "abc" },
    });
    expect(stderr).toBe(
      'error: SOURCE_DATE_EPOCH is "abc", which is not a number of seconds since 1970 from 0 to 4294967295: set it to such a number, or unset it\n',
    );
    expect([exitCode, stdout]).toEqual([2, ""]);
  });
});

describe.concurrent("--help", () => {
  it.each([
    ["synth", "--check"],
    ["diff", "--debug"],
    ["list", "--json"],
    ["plan", "--json"],
    ["cell", "--store <dir:PATH|github>"],
    ["doctor", "--debug"],
  ])("of %s is data, names its options, and exits 0", async (verb, option) => {
    const { exitCode, stdout, stderr } = await cli(root, [verb, "--help"], { env });
    expect(stdout).toMatch(new RegExp(`^Usage: smolvm-images ${verb} `));
    expect(stdout).toContain(option);
    expect([exitCode, stderr]).toEqual([0, ""]);
  });
});
