import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startEngine } from "../../../support/docker-server.ts";
import { cli, REPOSITORY } from "../../../support/project.ts";
import { tempDirectory } from "../../../support/run.ts";

/** A doctor's visit to a machine with this Docker, and with no programs but those of `path`. */
function visit(host: string, path = tempDirectory()) {
  return cli(REPOSITORY, ["doctor"], { env: { DOCKER_HOST: host, PATH: path, GITHUB_TOKEN: undefined } });
}

/** What is said about one subject: its own line, and the fix below it. */
const about = (stdout: string, title: string) =>
  new RegExp(`^.{4} {2}${title}.*\\n(?: {6}-> .*\\n)?`, "m").exec(stdout)?.[0];

describe("doctor", () => {
  it("says on a bare machine what is missing and what to do, within 80 columns, and exits 1", async () => {
    const { exitCode, stdout, stderr } = await visit("unix:///nonexistent.sock");
    expect(exitCode).toBe(1);
    expect(about(stdout, "Node.js")).toBe(`ok    Node.js: ${process.versions.node}\n`);
    expect(about(stdout, "Docker Engine")).toMatch(
      /^FAIL {2}Docker Engine: Docker is missing \(no unix:\/\/\/nonexistent\.sock\)\n {6}-> install .*docker\.io/,
    );
    expect(about(stdout, "tool container")).toMatch(/^FAIL .*\n {6}-> fix Docker first\n$/);
    expect(about(stdout, "QEMU")).toMatch(/^FAIL .*qemu-system-\w+ is missing\n {6}-> .*setup/);
    expect(about(stdout, "mmdebstrap")).toMatch(/^warn .*missing.*\n {6}-> .*setup/);
    // What one reads off is data; the sum of it is talk, and counts the FAIL lines.
    expect(stderr).toBe(`${stdout.match(/^FAIL/gm)?.length} problems to fix\n`);
    // A command to copy is never broken in two; all other lines fit a terminal.
    const wide = stdout.split("\n").filter((line) => line.length > 80 && !line.includes("`"));
    expect(wide).toEqual([]);
  });

  it("has nothing to fix about an engine that answers, and says which it is", async () => {
    const { host } = await startEngine({ "GET /version": { json: { Version: "20.10.24", Arch: "arm64" } } });
    const { stdout } = await visit(host);
    expect(about(stdout, "Docker Engine")).toBe("ok    Docker Engine: 20.10.24 on arm64\n");
    expect(about(stdout, "tool container")).toMatch(/^ok .*not built yet/);
  });

  it("hands the token to no program that it starts, and knows that there is one", async () => {
    const path = tempDirectory();
    const seen = join(path, "environment");
    const qemu = join(path, `qemu-system-${process.arch === "arm64" ? "aarch64" : "x86_64"}`);
    writeFileSync(qemu, `#!/bin/sh\n/usr/bin/env >>${seen}\necho QEMU emulator version 9.0.0\n`);
    chmodSync(qemu, 0o755);
    const env = { DOCKER_HOST: "unix:///nonexistent.sock", PATH: path, GITHUB_TOKEN: "sesame", KEPT: "kept" };
    const { stdout } = await cli(REPOSITORY, ["doctor"], { env });
    expect(about(stdout, "GitHub token")).toMatch(/^ok .*GITHUB_TOKEN is set/);
    expect(existsSync(seen)).toBe(true);
    expect(readFileSync(seen, "utf8")).toContain("KEPT=kept");
    expect(readFileSync(seen, "utf8")).not.toContain("sesame");
  });

  it("says whether Docker runs containers of the other arch, and what to install where it does not", async () => {
    const engine = (status: number) =>
      startEngine({
        "GET /version": { json: { Version: "20.10.24", Arch: "amd64" } },
        "POST /images/create": { lines: [{ status: "sha256:1" }] },
        "POST /containers/create": { status: 201, json: { Id: "one" } },
        "POST /containers/one/start": { status: 204, json: null },
        "POST /containers/one/wait": { json: { StatusCode: status } },
        "DELETE /containers/one": { status: 204, json: null },
      });
    const title = "containers of the other arch";
    const [runs, not] = await Promise.all(
      [42, 1].map(async (status) => about((await visit((await engine(status)).host)).stdout, title)),
    );
    expect(runs).toBe(
      `ok    ${title}: Docker runs arm64 programs: arm64 images can be built here too, slowly\n`,
    );
    expect(not).toMatch(
      /^warn {2}.*: arm64 images cannot be built here, only on arm64\n {6}-> install qemu-user-static and binfmt-support/,
    );
  });
});
