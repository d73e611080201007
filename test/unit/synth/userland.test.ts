import { describe, expect, it } from "vitest";
import { BaseRootfs } from "../../../pipeline/constructs/base-rootfs.ts";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { npm, uv } from "../../../pipeline/constructs/install.ts";
import { PresetLayer } from "../../../pipeline/constructs/preset-layer.ts";
import type { Program } from "../../../pipeline/constructs/program.ts";
import { cellsOf, synth } from "../../../pipeline/synth/synth.ts";
import { errorsOf, testApp, testRelease, ubuntuBase } from "../../support/tree.ts";

const AGENT = "/usr/local/bin/smolvm-guest-agent";
const file = (arch: string, digit: string) => ({
  url: `https://example.com/agent-${arch}`,
  sha256: digit.repeat(64),
});
const PROGRAM: Program = { path: AGENT, files: { amd64: file("amd64", "1"), arm64: file("arm64", "2") } };

describe("a base's programs", () => {
  it("are copied from the build's context, and each arch's cell has its file", () => {
    const app = testApp();
    ubuntuBase(testRelease(app, { archs: ["amd64", "arm64"] }), { programs: [PROGRAM] });
    const output = synth(app);
    expect(output.get("dockerfiles/base-ubuntu.Dockerfile")).toContain(`\nCOPY programs${AGENT} ${AGENT}\n`);
    const bases = cellsOf(output).cells.flatMap((cell) => (cell.kind === "base" ? [cell] : []));
    expect(bases.map(({ arch, programs }) => [arch, programs])).toEqual([
      ["amd64", [{ path: AGENT, ...file("amd64", "1") }]],
      ["arm64", [{ path: AGENT, ...file("arm64", "2") }]],
    ]);
  });

  it("are inputs of the base, and of its arch alone", () => {
    const inputs = (programs: readonly Program[]) => {
      const app = testApp();
      ubuntuBase(testRelease(app, { archs: ["amd64", "arm64"] }), { programs });
      return cellsOf(synth(app)).cells.flatMap((cell) => (cell.kind === "base" ? [cell.inputs] : []));
    };
    const before = inputs([PROGRAM]);
    const after = inputs([{ ...PROGRAM, files: { ...PROGRAM.files, arm64: file("arm64", "3") } }]);
    expect([after[0] === before[0], after[1] === before[1]]).toEqual([true, false]);
  });

  it.each<[string, Program[], string]>([
    [
      "no file for an arch",
      [{ ...PROGRAM, files: { amd64: file("amd64", "1") } }],
      `programs: ${AGENT} has no file for arm64: declare its address and sha256`,
    ],
    [
      "a path that is the distribution's",
      [{ ...PROGRAM, path: "/usr/bin/agent" }],
      'programs[0].path: "/usr/bin/agent" is not a path below /usr/local or /opt, such as /usr/local/bin/agent',
    ],
    [
      "a path that leads out",
      [{ ...PROGRAM, path: "/opt/../etc/passwd" }],
      'programs[0].path: "/opt/../etc/passwd" is not a path below /usr/local or /opt, such as /usr/local/bin/agent',
    ],
    [
      "no hash",
      [{ ...PROGRAM, files: { ...PROGRAM.files, amd64: { ...file("amd64", "1"), sha256: "abc" } } }],
      'programs[0].files.amd64.sha256: "abc" is not a sha256: 64 lower-case hex digits',
    ],
    [
      "no address",
      [{ ...PROGRAM, files: { ...PROGRAM.files, amd64: { ...file("amd64", "1"), url: "agent" } } }],
      'programs[0].files.amd64.url: "agent" is not an http(s) address',
    ],
    ["the same path twice", [PROGRAM, PROGRAM], `programs: ${AGENT} is listed twice`],
  ])("with %s are an error of the base", (_, programs, error) => {
    const app = testApp();
    ubuntuBase(testRelease(app, { archs: ["amd64", "arm64"] }), { programs });
    expect(errorsOf(app)).toContain(`test/base-ubuntu: ${error}`);
  });
});

describe("uv", () => {
  const UV = `uv@sha256:${"0".repeat(64)}`;
  const agent = (directory?: string) => {
    const app = testApp();
    const release = testRelease(app);
    ubuntuBase(release, { uv: UV });
    const commit = "0".repeat(40);
    new PresetLayer(release, "agent", {
      install: uv({ repository: "https://example.com/agent", commit, directory }),
      check: ["agent"],
    });
    return app;
  };

  it("comes with uvx", () => {
    const output = synth(agent());
    expect(output.get("dockerfiles/base-ubuntu.Dockerfile")).toContain(
      "\nCOPY --from=uv /uv /uvx /usr/local/bin/\n",
    );
  });

  it.each([
    [undefined, "/opt/agent"],
    ["/opt/agent-of-mine", "/opt/agent-of-mine"],
  ])("installs in the directory %s", (directory, place) => {
    const text = synth(agent(directory)).get("dockerfiles/agent-ubuntu.Dockerfile");
    expect(text).toContain(`git init -q ${place};`);
    expect(text).toContain(`ln -s ${place}/.venv/bin/agent /usr/local/bin/agent`);
  });

  it("installs in no directory of the distribution", () => {
    expect(errorsOf(agent("/usr/bin")).join()).toContain(
      'install.directory: "/usr/bin" is not a directory like /opt/agent',
    );
  });
});

describe("a preset's account", () => {
  const withUser = (user: string | undefined) => {
    const app = testApp();
    const release = testRelease(app);
    ubuntuBase(release, { node: "24.21.0" });
    new BaseRootfs(release, "base-alpine", {
      flavor: Flavor.alpine({ version: "3.24", image: `alpine@sha256:${"0".repeat(64)}` }),
      ...{ packages: ["nodejs"], node: "24.21.0", diskMib: 1024 },
    });
    new PresetLayer(release, "pi", {
      ...{ install: npm("@mariozechner/pi-coding-agent"), check: ["pi", "--version"], user },
    });
    return app;
  };

  it.each([
    ["ubuntu", "useradd --create-home --user-group --uid 1000 --shell /bin/bash node;"],
    ["alpine", "adduser -D -u 1000 -s /bin/sh node;"],
  ])("is made with the tools of %s, and owns /workspace", (flavor, command) => {
    const text = synth(withUser("node")).get(`dockerfiles/pi-${flavor}.Dockerfile`);
    expect(text).toContain(
      `    ${command} \\\n    mkdir -p /workspace; \\\n    chown node:node /workspace\n`,
    );
    expect(synth(withUser(undefined)).get(`dockerfiles/pi-${flavor}.Dockerfile`)).not.toContain("1000");
  });

  it("has a user's name", () => {
    expect(errorsOf(withUser("no one; rm"))).toContain(
      'test/pi: user: "no one; rm" is not a user name such as node',
    );
  });
});
