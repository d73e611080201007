import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Install, npm, uv } from "../../../pipeline/constructs/install.ts";
import type { Omit } from "../../../pipeline/constructs/omit.ts";
import { PresetLayer } from "../../../pipeline/constructs/preset-layer.ts";
import { cellsOf, synth } from "../../../pipeline/synth/synth.ts";
import { tempDirectory } from "../../support/run.ts";
import { errorsOf, lockfile, testApp, testRelease, ubuntuBase } from "../../support/tree.ts";

const REASON = "a microVM has no sound";
const AGENT = npm("agent", { binary: "agent/bin" });
const UV = `uv@sha256:${"0".repeat(64)}`;

/** A tree with a preset that leaves something out. */
function tree(omit: readonly Omit[], install: Install = AGENT) {
  const app = testApp({
    "dockerfiles/agent/package-lock.json": lockfile("agent", {}),
    "dockerfiles/agent/package.json": "{}",
  });
  const release = testRelease(app);
  ubuntuBase(release, { uv: UV });
  new PresetLayer(release, "agent", { install, check: ["agent"], omit });
  return app;
}

const leaving = (paths: string) => [{ paths, reason: REASON }];
const cellOf = (omit: readonly Omit[]) =>
  cellsOf(synth(tree(omit))).cells.find(({ id }) => id === "agent-amd64-ubuntu")!;
const dockerfileOf = (paths: string, install?: Install) =>
  synth(tree(leaving(paths), install)).get("dockerfiles/agent-ubuntu.Dockerfile")!;

describe("what a preset leaves out", () => {
  it("is in its cell with the reason, and is one of its inputs", () => {
    const sound = leaving("/opt/agent/node_modules/*/sound");
    expect(cellOf(sound)).toMatchObject({ omits: sound });
    expect(cellOf([])).not.toHaveProperty("omits");
    expect(cellOf(sound).inputs).not.toBe(cellOf([]).inputs);
    expect(cellOf([{ ...sound[0]!, reason: "another" }]).inputs).not.toBe(cellOf(sound).inputs);
  });

  it("is removed after npm has installed it, before anything is copied into the image", () => {
    const [install, image] = dockerfileOf("/opt/agent/sound").split("FROM ${BASE}");
    expect(install!.indexOf("/opt/agent/sound")).toBeGreaterThan(install!.indexOf("npm ci"));
    expect(image).not.toContain("/opt/agent/sound");
  });

  it("is removed where uv has installed it", () => {
    const project = uv({
      repository: "https://example.com/agent",
      commit: "a".repeat(40),
      directory: "/opt/x",
    });
    expect(dockerfileOf("/opt/x/sound", project)).toMatch(/uv sync[\s\S]*\/opt\/x\/sound/);
  });

  it("must match something, or the build fails with its pattern", () => {
    const directory = tempDirectory();
    const command = dockerfileOf("/opt/agent/*/sound")
      .split("\n")
      .find((line) => line.includes("sound"))!
      .replaceAll("/opt/agent", directory);
    const remove = () => spawnSync("sh", ["-euc", command], { encoding: "utf8" });
    for (const name of ["a/sound", "b/sound", "b/other"])
      mkdirSync(join(directory, name), { recursive: true });
    writeFileSync(join(directory, "a/sound/file"), "");

    expect(remove()).toMatchObject({ status: 0, stderr: "" });
    expect(["a/sound", "b/sound", "b/other"].map((name) => existsSync(join(directory, name)))).toEqual([
      ...[false, false, true],
    ]);
    expect(remove()).toMatchObject({
      status: 1,
      stderr: `error: omit: nothing matches ${directory}/*/sound: correct it in images.ts\n`,
    });
  });

  it.each([
    ["/usr/share/doc", "omit: /usr/share/doc is not below /opt/agent, where the preset is installed"],
    ["/opt/agent2/sound", "omit: /opt/agent2/sound is not below /opt/agent, where the preset is installed"],
    ...["opt/agent/sound", "/opt/agent/../sound", "/opt/agent/**", "/opt/agent/$(id)", "/opt/agent/"].map(
      (paths) => [
        paths,
        `omit[0].paths: "${paths}" is not a pattern of absolute paths, such as /opt/agent/node_modules/*/sounds`,
      ],
    ),
  ])("with the paths %s is an error", (paths, error) => {
    expect(errorsOf(tree(leaving(paths))).join("\n")).toContain(`test/agent: ${error}`);
  });

  it("without a reason is an error", () => {
    expect(errorsOf(tree([{ paths: "/opt/agent/sound", reason: "" }]))).toContain(
      'test/agent: omit[0].reason: "" is empty',
    );
  });
});
