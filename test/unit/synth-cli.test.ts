import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CliOptions, cli, REPOSITORY } from "../support/project.ts";

const OUTSIDE_ACTIONS = { GITHUB_ACTIONS: undefined, GITHUB_OUTPUT: undefined };

describe("the command line", () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "smolvm-cli-"));
    for (const path of ["dockerfiles", "init", ".github", ".gitattributes", "package.json"]) {
      cpSync(join(REPOSITORY, path), join(root, path), { recursive: true });
    }
    for (const name of ["cells", "manifest", "manifest.schema"]) {
      cpSync(join(REPOSITORY, `out/${name}.json`), join(root, `out/${name}.json`));
    }
    symlinkSync(join(REPOSITORY, "node_modules"), join(root, "node_modules"));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  const run = (args: string[], env: CliOptions["env"] = {}) =>
    cli(root, args, { env: { ...OUTSIDE_ACTIONS, ...env } });

  it("synth --check passes on what is committed", async () => {
    const { exitCode, stdout } = await run(["synth", "--check"]);
    expect([exitCode, stdout]).toEqual([0, ""]);
  });

  it("synth --check shows what is stale and how to mend it, as annotations inside Actions; synth mends it", async () => {
    const stale = join(root, "dockerfiles/codex-debian.Dockerfile");
    const before = readFileSync(stale, "utf8");
    appendFileSync(stale, "RUN true\n");

    const check = await run(["synth", "--check"]);
    expect(check.exitCode).toBe(1);
    expect(check.stdout).toContain("--- a/dockerfiles/codex-debian.Dockerfile");
    expect(check.stdout).toContain("-RUN true");
    expect(check.stderr).toContain(
      "1 generated files are stale: run `npm run synth` and commit what it changes",
    );

    const annotated = await run(["synth", "--check"], { GITHUB_ACTIONS: "true" });
    expect(annotated.stdout).toMatch(/^::error .*file=dockerfiles\/codex-debian\.Dockerfile/m);

    const diff = await run(["diff"]);
    expect([diff.exitCode, diff.stdout]).toEqual([0, check.stdout]);
    const mended = await run(["synth"]);
    expect([mended.exitCode, mended.stdout]).toEqual([0, ""]);
    expect(readFileSync(stale, "utf8")).toBe(before);
  });

  it("synth --stdout prints the files as data and writes nothing", async () => {
    const { stdout } = await run(["synth", "--stdout"]);
    expect(JSON.parse(stdout)["out/cells.json"]).toBe(readFileSync(join(root, "out/cells.json"), "utf8"));
  });

  it("list --json is data with the fields of the contract", async () => {
    const { stdout } = await run(["list", "--json"]);
    const rows: Record<string, unknown>[] = JSON.parse(stdout);
    expect(rows.filter(({ published }) => published)).toHaveLength(22);
    expect(rows.find(({ id }) => id === "base-amd64-ubuntu")).toEqual({
      id: "base-amd64-ubuntu",
      kind: "base",
      arch: "amd64",
      flavor: "ubuntu",
      preset: null,
      assets: ["base-amd64-rootfs.ext4.zst"],
      inputs: expect.stringMatching(/^[0-9a-f]{64}$/),
      published: true,
    });
  });

  it("list fits a terminal of 80 columns", async () => {
    const { stdout } = await run(["list"]);
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it("plan --json is data with the fields of the contract", async () => {
    const { tag, cells } = JSON.parse((await run(["plan", "--json"])).stdout);
    expect(tag).toMatch(/^images-v/);
    expect(cells[0]).toEqual({ id: "base-amd64-ubuntu", action: "build", why: "not staged" });
  });

  it.each(["synth", "diff", "list", "plan", "cell", "doctor"])("%s has --help", async (verb) => {
    const { exitCode, stdout } = await run([verb, "--help"]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`Usage: pipeline ${verb}`);
  });

  const DOCKERLESS = { DOCKER_HOST: "unix:///nonexistent/docker.sock" };
  it.each([
    [["cell", "codx-amd64-debian"], /^error: unknown preset "codx"; one of: codex, .*\n$/],
    [["cell", "codex-amd64-debian", "--initrd", "x"], /^error: --initrd needs --kernel\n$/],
    [
      ["cell", "codex-amd64-debian", "--apt-mirror", "nowhere"],
      /^error: mirror "nowhere" is not an http\(s\) address\n$/,
    ],
    [["cell", "codex-amd64-debian"], /^error: Docker is .*: (install|start) .*\n$/],
    [["cell", "codex-amd64-debian", "--level", "99"], /^error: .*--level.*A whole number from 1 to 19/],
    [["cell", "codex-amd64-debian", "--stage", "ship"], /^error: .*Allowed choices are build, verify/],
    [["cell", "codex-amd64-debian", "--store", "s3:x"], /^error: .*"dir:PATH"/],
    [["cell", "codex-amd64-debian", "--rootfs-sha256", "abc"], /^error: .*64 lower-case hex digits/],
    [["nonsense"], /^error: unknown command 'nonsense'/],
  ])("%j is one line of error on stderr, and exit code 2", async (args, message) => {
    const { exitCode, stdout, stderr } = await run(args, { ...DOCKERLESS, NODE_EXTRA_CA_CERTS: undefined });
    expect(stderr).toMatch(message);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).not.toContain("    at ");
  });

  it("an error has a stack trace only with --debug", async () => {
    const { stderr } = await run(["cell", "codx-amd64-debian", "--debug"]);
    expect(stderr).toContain("    at ");
  });

  it("doctor exits 1 when something must be mended, and says how", async () => {
    const { exitCode, stdout } = await run(["doctor"], DOCKERLESS);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^FAIL {2}Docker Engine: Docker is .*\n {6}-> (install|start)/m);
  });
});
