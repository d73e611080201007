import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type BumpOptions, bump } from "../../../pipeline/edit/bump.ts";
import { addPreset } from "../../../pipeline/edit/preset.ts";
import { parseSpec } from "../../../pipeline/edit/spec.ts";
import { apply } from "../../../pipeline/edit/transaction.ts";
import { IMAGES_RELEASE_TAG } from "../../../pipeline/images.ts";
import { generatedPaths } from "../../../pipeline/synth/gitattributes.ts";
import { TABLE } from "../../../pipeline/upstream/pins/action.ts";
import { Upstream } from "../../../pipeline/upstream/upstream.ts";
import { NpmRegistry, useRegistry } from "../../support/npm-registry.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { Copy } from "../../support/synth-copy.ts";
import { repository } from "../../support/upstream/git-server.ts";
import { Registry } from "../../support/upstream/registry.ts";
import { upstream } from "../../support/upstream/upstream.ts";

/** Nobody listens there. */
const NOWHERE = "http://127.0.0.1:9";
const ADDRESSES = { dockerHub: NOWHERE, alpine: NOWHERE, githubApi: NOWHERE, endoflife: NOWHERE };
/** What the network has is of no interest here. */
const offline = (addresses = {}) =>
  upstream({ addresses: { ...ADDRESSES, ...addresses }, aptMirror: `${NOWHERE}/debian` });

let copy: Copy;
let registry: NpmRegistry;
const project = () => ({ root: copy.root, declaration: "pipeline/images.ts" });

beforeEach(async () => {
  registry = await NpmRegistry.start();
  useRegistry(registry);
  // Whatever is asked over TLS: registries, GitHub, Alpine.
  vi.stubEnv("HTTPS_PROXY", NOWHERE).stubEnv("https_proxy", NOWHERE).stubEnv("NO_PROXY", "127.0.0.1");
});
afterEach(() => {
  vi.unstubAllEnvs();
  copy.remove();
});

/** Applies a bump. Returns the paths that it changes. */
async function bumped(options: BumpOptions, asked: Upstream = offline()): Promise<string[]> {
  const before = copy.files();
  const made = await bump(project(), options, asked);
  apply(copy.root, made.pending);
  const after = copy.files();
  expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
  return [...after]
    .filter(([path, text]) => before.get(path) !== text)
    .map(([path]) => path.slice(copy.root.length + 1))
    .sort();
}

const derived = (paths: readonly string[]) =>
  paths.filter((path) => !generatedPaths(copy.read(".gitattributes")).includes(path));

async function expectSynthesised(): Promise<void> {
  const { exitCode, stdout } = await copy.run(["synth", "--check"]);
  expect(stdout).toBe("");
  expect(exitCode).toBe(0);
}

/** The lines of a file that changed, before and after. */
function changedLines(before: string, after: string): [string, string][] {
  const now = after.split("\n");
  return before
    .split("\n")
    .flatMap((line, at) => (line === now[at] ? [] : [[line, now[at]!] as [string, string]]));
}

describe("a copy of this repository", () => {
  beforeEach(() => {
    copy = new Copy("project");
  });

  it("with a new tag has one changed constant, and what is generated", async () => {
    const tag = IMAGES_RELEASE_TAG.replace(/\d+$/, (last) => String(Number(last) + 1));
    const before = copy.read("pipeline/images.ts");
    expect(derived(await bumped({ tag }))).toEqual(["pipeline/images.ts"]);
    expect(changedLines(before, copy.read("pipeline/images.ts"))).toEqual([
      [
        `export const IMAGES_RELEASE_TAG = "${IMAGES_RELEASE_TAG}";`,
        `export const IMAGES_RELEASE_TAG = "${tag}";`,
      ],
    ]);
    await expectSynthesised();
  });

  it("finds every pin again that can be written", async () => {
    const pins = copy.read("pipeline/pins.ts");
    const literals = [...pins.matchAll(/"(?:[^"]*@sha256:)?([0-9a-f]{40}|[0-9a-f]{64})"/g)];
    expect(literals.length).toBeGreaterThan(7);
    for (const [literal] of literals) expect(pins.split(literal)).toHaveLength(2);
  });

  it("takes a new action into its workflows, as synth then does", async () => {
    const root = tempDirectory();
    vi.stubEnv("GIT_CONFIG_COUNT", "1");
    vi.stubEnv("GIT_CONFIG_KEY_0", `url.file://${root}/.insteadOf`);
    vi.stubEnv("GIT_CONFIG_VALUE_0", "https://github.com/");
    const row = /"actions\/checkout": \{ version: "(v[\d.]+)", commit: "(\w+)" \}/.exec(copy.read(TABLE))!;
    const { commits } = repository([row[1]!, "v99.0.0"], [], join(root, "actions/checkout"));
    const made = await bump(project(), { pins: true }, offline());
    // The tag of this repository's own pin is on another commit there.
    expect(made.suspicious).toEqual([
      `actions/checkout: the tag ${row[1]} of actions/checkout is at ${commits[row[1]!]} now`,
    ]);
    apply(copy.root, made.pending);
    const paths = made.pending.map(({ path }) => path).sort();
    expect(derived(paths)).toEqual([TABLE]);
    expect(paths).toContain(".github/workflows/pull-request.yml");
    expect(copy.read(".github/workflows/pull-request.yml")).toContain(
      `actions/checkout@${commits["v99.0.0"]} # v99.0.0`,
    );
    expect(made.unknown.join("\n")).toContain("uv image is unknown and was not changed");
    await expectSynthesised();
  });
});

describe("a copy of the sample", { timeout: 180_000 }, () => {
  beforeEach(() => {
    copy = new Copy();
    const agent = { bin: { "agent-cli": "agent.js" }, dependencies: { helper: "^1.0.0" } };
    registry.publish("helper", { "1.0.0": {}, "1.1.0": {} });
    registry.publish("@example/agent", { "1.0.0": agent, "1.1.0": agent, "2.0.0": agent });
  });
  const add = async (version: string) => {
    const spec = parseSpec(`@example/agent@${version}`, "package");
    apply(copy.root, (await addPreset(project(), "agent", spec, {}, recordedRun())).pending);
  };
  const LOCKS = ["dockerfiles/agent/package-lock.json", "dockerfiles/agent/package.json"];
  const lockedAt = () => JSON.parse(copy.read(LOCKS[0]!)).packages["node_modules/@example/agent"].version;

  it("with one agent's new version has its two lock files changed, and what is generated", async () => {
    await add("1.0.0");
    const paths = await bumped({ presets: [parseSpec("agent", "preset")] });
    expect(derived(paths)).toEqual(LOCKS);
    expect(lockedAt()).toBe("2.0.0");
    await expectSynthesised();
    expect(await bumped({ presets: [parseSpec("agent@1.1.0", "preset")] })).toEqual(paths);
    expect(await bumped({ presets: [parseSpec("agent@1.1.0", "preset")] })).toEqual([]);
  });

  it("brings an agent to the newest version of the range that holds it, by name and with all pins", async () => {
    await add("1.0.0");
    const held = 'npm("@example/agent", { hold: { range: "<2", reason: "2.0 has no arm64" } })';
    const declared = copy.read("pipeline/images.ts").replace('npm("@example/agent")', held);
    copy.write("pipeline/images.ts", declared);
    expect(derived(await bumped({ pins: true }))).toEqual(LOCKS);
    expect(lockedAt()).toBe("1.1.0");
    await bumped({ presets: [parseSpec("agent@1.0.0", "preset")] });
    await bumped({ presets: [parseSpec("agent", "preset")] });
    expect(lockedAt()).toBe("1.1.0");
    await expect(bumped({ presets: [parseSpec("agent@2.0.0", "preset")] })).rejects.toThrow(
      "holds it to <2: 2.0 has no arm64; nothing was changed",
    );
  });

  /** What a bump that fails says; it must have left everything as it was. */
  async function failure(options: BumpOptions, asked?: Upstream): Promise<string> {
    const before = copy.files();
    const error = await bumped(options, asked).then(
      () => undefined,
      (error) => error,
    );
    expect(error).toMatchObject({ name: "PipelineError" });
    expect(error.message).not.toContain("\n");
    expect(copy.files()).toEqual(before);
    return error.message;
  }

  it("that puts a pin together from parts is left as it is, with the text that was looked for", async () => {
    const images = await Registry.start();
    images.push("ubuntu", "24.04", { created: "2026-10-01T00:00:00Z" });
    const message = await failure({ tag: "images-v7.0.1", pins: true }, offline({ dockerHub: images.url }));
    expect(message).toMatch(
      /^pipeline\/images\.ts, dockerfiles\/tools\/Dockerfile, dockerfiles\/tools\/efi\.Dockerfile: `ubuntu:24\.04@sha256:1{64}` is not there: write the pin as one literal, or change it by hand to `ubuntu:24\.04@sha256:[0-9a-f]{64}`$/,
    );
  });

  it("whose pin is written, but not where the tree has it from, is left as it is", async () => {
    const images = await Registry.start();
    images.push("ubuntu", "24.04", { created: "2026-10-01T00:00:00Z" });
    const comment = `// now ubuntu:24.04@sha256:${"1".repeat(64)}\n`;
    copy.write("pipeline/images.ts", comment + copy.read("pipeline/images.ts"));
    expect(await failure({ pins: true }, offline({ dockerHub: images.url }))).toMatch(
      /^pipeline\/images\.ts would not declare ubuntu image [0-9a-f]{12}; nothing was changed: change it by hand/,
    );
  });

  it("refuses an unknown preset, and generated files that are stale", async () => {
    expect(await failure({ presets: [parseSpec("nobody", "preset")] })).toMatch(
      /^unknown preset "nobody"; one of:/,
    );
    copy.write("out/cells.json", copy.read("out/cells.json").replace("images-v7.0.0", "images-v6.0.0"));
    expect(await failure({ tag: "images-v7.0.1" })).toBe(
      "out/cells.json: stale: run `npx smolvm-images synth` and commit what it changes, then run it again",
    );
  });

  it("that is interrupted is left as it was", async () => {
    await add("1.0.0");
    const before = copy.files();
    const run = recordedRun();
    registry.hang();
    const made = bump(project(), { presets: [parseSpec("agent", "preset")] }, new Upstream({}, run));
    await vi.waitUntil(() => registry.requests.length > 0 && run.steps.length > 0, { timeout: 60_000 });
    run.interrupt(new Error("stop"));
    await expect(made).rejects.toThrow("stop");
    expect(copy.files()).toEqual(before);
  });
});
