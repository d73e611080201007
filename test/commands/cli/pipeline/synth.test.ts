import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { Copy } from "../../../support/synth-copy.ts";

// Each runs the real command line, in a process that takes a second: together they take half as long.
describe.concurrent("a command that changes nothing", () => {
  let copy: Copy;
  beforeAll(() => {
    copy = new Copy();
  });
  afterAll(() => copy.remove());

  it("synth --check passes on what is committed, in another directory and time zone", async () => {
    const { exitCode, stdout, stderr } = await copy.run(["synth", "--check"], { TZ: "Pacific/Kiritimati" });
    expect([exitCode, stdout]).toEqual([0, ""]);
    expect(stderr).toMatch(/^\d+ generated files are up to date\n$/);
  });

  it("synth --stdout prints the files as data", async () => {
    const { exitCode, stdout, stderr } = await copy.run(["synth", "--stdout"]);
    expect([exitCode, stderr]).toEqual([0, ""]);
    for (const [path, text] of Object.entries(JSON.parse(stdout))) expect(text).toBe(copy.read(path));
  });

  it("list --json is data with the fields of the contract", async () => {
    const { exitCode, stdout } = await copy.run(["list", "--json"]);
    expect(exitCode).toBe(0);
    const rows: Record<string, unknown>[] = JSON.parse(stdout);
    expect(rows.filter(({ published }) => published)).toHaveLength(22);
    const common = { inputs: expect.stringMatching(/^[0-9a-f]{64}$/), arch: "amd64" };
    const row = (id: string) => rows.find((candidate) => candidate.id === id);
    expect(row("base-amd64-ubuntu")).toEqual({
      ...{ ...common, id: "base-amd64-ubuntu", kind: "base", flavor: "ubuntu", preset: null },
      ...{ assets: ["base-amd64-rootfs.ext4.zst"], published: true },
    });
    expect(row("codex-amd64-debian")).toEqual({
      ...{ ...common, id: "codex-amd64-debian", kind: "preset", flavor: "debian", preset: "codex" },
      ...{ assets: ["codex-amd64-debian-rootfs.ext4.zst"], published: false },
    });
    expect(row("kernel-amd64")).toEqual({
      ...{ ...common, id: "kernel-amd64", kind: "kernel", flavor: null, preset: null },
      ...{ assets: ["vmlinux-amd64.elf", "vmlinux-amd64.image"], published: true },
    });
  });

  it("list fits a terminal of 80 columns, and says what each cell is published as", async () => {
    const { exitCode, stdout } = await copy.run(["list"]);
    expect(exitCode).toBe(0);
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(stdout).toMatch(/^base-amd64-ubuntu +base-amd64-rootfs\.ext4\.zst$/m);
    expect(stdout).toMatch(/^codex-amd64-debian +- \(local\)$/m);
  });

  it("plan --json is data with the fields of the contract, and puts out what the workflow reads", async () => {
    const directory = mkdtempSync(join(tmpdir(), "smolvm-output-"));
    const file = join(directory, "output");
    writeFileSync(file, "");
    const { exitCode, stdout } = await copy.run(["plan", "--json"], { GITHUB_OUTPUT: file });
    // name<<delimiter, the value, delimiter: Actions' own format.
    const values = [...readFileSync(file, "utf8").matchAll(/^(\w+)<<(\S+)\n(.*)\n\2$/gm)];
    rmSync(directory, { recursive: true });

    expect(exitCode).toBe(0);
    const { tag, cells } = JSON.parse(stdout);
    expect(tag).toMatch(/^images-v/);
    expect(cells[0]).toEqual({ id: "kernel-amd64", action: "build", why: "not staged" });

    const matrices = Object.fromEntries(values.map(([, name, , value]) => [name!, JSON.parse(value!)]));
    const { jobs } = parse(copy.read(".github/workflows/build-published-images.yml"));
    expect(Object.values(jobs.plan.outputs)).toEqual(
      Object.keys(matrices).map((name) => `\${{ steps.plan.outputs.${name} }}`),
    );
    expect(matrices.complete).toBe(true);
    expect([matrices.kernels.length, matrices.bases.length, matrices.presets.length]).toEqual([2, 4, 16]);
    expect(matrices.attestations).toHaveLength(22);
    for (const job of ["kernel", "base", "preset"]) {
      const fields = [...JSON.stringify(jobs[job]).matchAll(/matrix\.(\w+)/g)].map(([, field]) => field!);
      expect(fields).toContain("cell");
      for (const entry of matrices[`${job}s`])
        expect(Object.keys(entry)).toEqual(expect.arrayContaining(fields));
    }
  });

  const VERBS = ["synth", "diff", "list", "plan", "cell", "repro", "doctor"];
  it("--help names every verb, and a verb's own --help its options", async () => {
    const all = await copy.run(["--help"]);
    expect(all.exitCode).toBe(0);
    for (const verb of VERBS) expect(all.stdout).toMatch(new RegExp(`^  ${verb} .*\\w`, "m"));
    const one = await copy.run(["synth", "--help"]);
    expect(one.exitCode).toBe(0);
    expect(one.stdout).toMatch(/^Usage: smolvm-images synth [\s\S]*--check[\s\S]*--stdout/);
  });

  it.each([
    [
      ["synth", "--chek"],
      /^error: unknown option '--chek' \(did you mean --check\?\); one of: --check, --stdout, --app, --debug\n$/,
    ],
    [["nonsense"], /^error: unknown command 'nonsense'; one of: init, synth, diff, list, .+\n$/],
    [["cell", "codx-amd64-debian"], /^error: unknown preset "codx"; one of: codex, .*\n$/],
  ])("%j is an error on stderr without a stack, and exit code 2", async (args, message) => {
    const { exitCode, stdout, stderr } = await copy.run(args);
    expect(stderr).toMatch(message);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).not.toContain("    at ");
  });

  it("an error has its code and a stack trace only with --debug", async () => {
    const { exitCode, stderr } = await copy.run(["cell", "codx-amd64-debian", "--debug"]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(
      /^error: unknown preset "codx".*\ncode: unknown-name \(see docs\/errors\.md\)\nPipelineError: .*\n {4}at /,
    );
  });

  it("doctor exits 1 when something must be mended, and says how", async () => {
    const { exitCode, stdout } = await copy.run(["doctor"], {
      DOCKER_HOST: "unix:///nonexistent/docker.sock",
    });
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^FAIL {2}Docker Engine: Docker is .*\n {6}-> (install|start)/m);
  });
});
