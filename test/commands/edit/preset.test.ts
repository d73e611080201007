import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type AddOptions,
  addPreset,
  bumpPreset,
  type Edit,
  removePreset,
} from "../../../pipeline/edit/preset.ts";
import { parseSpec } from "../../../pipeline/edit/spec.ts";
import { apply } from "../../../pipeline/edit/transaction.ts";
import { NpmRegistry } from "../../support/npm-registry.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { Copy } from "../../support/synth-copy.ts";

/** Settings of a user that would each make another package.json or lockfile, or none. */
const HOSTILE = `
package-lock=false
shrinkwrap=false
lockfile-version=1
format-package-lock=false
omit-lockfile-registry-resolved=false
ignore-scripts=false
dry-run=true
global=true
location=global
workspaces=true
include-workspace-root=true
omit[]=optional
omit[]=peer
only=prod
optional=false
production=true
save=false
save-exact=false
save-dev=true
save-prefix=~
install-strategy=linked
install-links=true
legacy-peer-deps=true
prefer-dedupe=true
engine-strict=true
force=true
audit=true
fund=true
json=false
parseable=true
long=true
loglevel=silly
timing=true
bin-links=false
tag=next
cpu=s390x
os=aix
libc=musl
`;

it.each(["--save", "../x", "x@https://example.com/x.tgz", "x@^1", "X", "x@", "@a", "@a/b@", ""])(
  "does not take %j for a package",
  (text) => {
    expect(() => parseSpec(text, "package")).toThrow(/is not the name of a package/);
  },
);

// Each asks npm several times, which takes a second each, and ten when the machine is busy.
describe("in a checkout", { timeout: 180_000 }, () => {
  let copy: Copy;
  let registry: NpmRegistry;
  let temporary: string;
  beforeEach(async () => {
    copy = new Copy();
    registry = await NpmRegistry.start();
    registry.publish("helper", { "1.0.0": {}, "1.1.0": {} });
    registry.publish("agent-linux-x64", { "1.0.0": { os: ["linux"], cpu: ["x64"] } });
    registry.publish("agent-darwin-arm64", { "1.0.0": { os: ["darwin"], cpu: ["arm64"] } });
    registry.publish("partner", { "3.0.0": {} });
    const agent = {
      bin: { "agent-cli": "bin/agent.js" },
      dependencies: { helper: "^1.0.0" },
      optionalDependencies: { "agent-linux-x64": "1.0.0", "agent-darwin-arm64": "1.0.0" },
      peerDependencies: { partner: ">=1" },
      engines: { node: ">=20" },
      scripts: { postinstall: "exit 1" },
    };
    const versions = { "1.0.0": agent, "1.1.0": agent, "2.0.0": { ...agent, engines: { node: ">=99" } } };
    registry.publish("@example/agent", versions, "1.1.0");
    registry.publish("two-programs", { "1.0.0": { bin: { one: "1.js", two: "2.js" } } });
    registry.publish("library", { "1.0.0": {} });

    temporary = tempDirectory();
    const home = tempDirectory();
    writeFileSync(join(home, ".npmrc"), `registry=${registry.url}\n`);
    // What `npm test` hands on of its user's own settings, a registry among them, comes before any file.
    for (const name of Object.keys(process.env).filter((each) => /^npm_config_/i.test(each))) {
      vi.stubEnv(name, undefined);
    }
    vi.stubEnv("HOME", home)
      .stubEnv("TMPDIR", temporary)
      .stubEnv("npm_config_userconfig", join(home, ".npmrc"));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    const left = readdirSync(temporary).filter((name) => name.startsWith("smolvm-"));
    expect(left, "left in the temporary directory").toEqual([]);
    copy.remove();
  });

  async function done(edit: Promise<Edit>): Promise<Edit> {
    const made = await edit;
    apply(copy.root, made.pending);
    return made;
  }
  const project = () => ({ root: copy.root, declaration: "pipeline/images.ts" });
  const add = (name: string, pkg: string, options: AddOptions = {}) =>
    done(addPreset(project(), name, parseSpec(pkg, "package"), options, recordedRun()));
  const bump = (spec: string) => done(bumpPreset(project(), parseSpec(spec, "preset"), recordedRun()));
  const remove = (name: string) => done(removePreset(project(), name));
  const userConfig = (text: string) =>
    writeFileSync(process.env.npm_config_userconfig!, `registry=${registry.url}\n${text}`);
  const lock = (preset: string) => JSON.parse(copy.read(`dockerfiles/${preset}/package-lock.json`)).packages;

  /** What an edit that fails says; it must have left everything as it was. */
  async function failure(edit: () => Promise<Edit>): Promise<{ message: string; details: string }> {
    const before = copy.files();
    const error = await edit().then(
      () => undefined,
      (error) => error,
    );
    expect(error).toMatchObject({ name: "PipelineError" });
    expect(error.message).not.toContain("\n");
    expect(copy.files()).toEqual(before);
    return { message: error.message, details: error.details.join("\n") };
  }

  describe("adding a preset", () => {
    it("writes statement, lockfile and everything derived, and removing it leaves no trace", async () => {
      copy.write(
        "README.md",
        "# Offers\n<!-- Written by `npm run synth`: which preset is offered on which flavor. -->\n" +
          "<!-- End of what `npm run synth` writes. -->\nAfter.\n",
      );
      const before = copy.files();
      const { notes } = await add("agent", "@example/agent");
      expect(copy.read("pipeline/images.ts")).toContain(`
  new PresetLayer(release, "agent", {
    install: npm("@example/agent"),
    check: ["agent-cli", "--version"],
  });
`);
      expect(JSON.parse(copy.read("dockerfiles/agent/package.json"))).toEqual({
        private: true,
        dependencies: { "@example/agent": "1.1.0" },
      });
      expect(lock("agent")["node_modules/@example/agent"].version).toBe("1.1.0");
      expect(copy.read("README.md")).toContain("| codex, claude-code, pi, agent | yes | yes | yes |\n");
      expect(copy.read("README.md")).toMatch(/^# Offers\n.*\nAfter\.\n$/s);
      expect(notes[1]).toMatch(/^Next: npx smolvm-images cell agent-(amd64|arm64)-debian --level 3 /);
      // What synth would still change: nothing.
      expect(await copy.run(["synth", "--check"])).toMatchObject({ exitCode: 0 });

      await remove("agent");
      expect(copy.read("README.md")).toContain("| codex, claude-code, pi | yes | yes | yes |\n");
      copy.write("README.md", before.get(copy.path("README.md"))!);
      expect(copy.files()).toEqual(before);
      expect(existsSync(copy.path("dockerfiles/agent"))).toBe(false);
    });

    it("makes the same of every user's npm settings, and asks the registry that they name", async () => {
      await add("agent", "@example/agent");
      const plain = copy.files();
      await remove("agent");
      userConfig(HOSTILE);
      for (const line of HOSTILE.trim()
        .split("\n")
        .filter((line) => !line.includes("[]"))) {
        const [key, value] = line.split("=");
        vi.stubEnv(`NPM_CONFIG_${key!.replaceAll("-", "_").toUpperCase()}`, value);
      }
      // Beside --workspaces=false, npm ends with an error for it.
      vi.stubEnv("npm_config_workspace", "elsewhere");
      const asked = registry.requests.length;
      await add("agent", "@example/agent");
      expect(copy.files()).toEqual(plain);
      expect(registry.requests.length).toBeGreaterThan(asked);
      expect(Object.keys(lock("agent")).sort()).toEqual(
        ["", "@example/agent", "agent-darwin-arm64", "agent-linux-x64", "helper", "partner"].map(
          (name) => name && `node_modules/${name}`,
        ),
      );
      expect(copy.read("dockerfiles/agent/package-lock.json")).not.toContain(registry.url);
    });

    it("refuses a package that wants a newer Node, with the line that leaves it out, and takes that line", async () => {
      const { message, details } = await failure(() => add("agent", "@example/agent@2.0.0"));
      expect(message).toMatch(/; nothing was changed$/);
      expect(details).toContain(
        "@example/agent 2.0.0 needs Node >=99, but sample/base-alpine has Node 24.21.0",
      );
      expect(details).toContain('refuses: { ubuntu: "it needs Node >=99, not 24.21.0", alpine: ');
      expect(details).toContain('--refuse "alpine=it needs Node >=99, not 24.21.0"');
      await add("agent", "@example/agent@1.0.0", {
        refuses: { alpine: 'needs "glibc"', debian: "x".repeat(90) },
      });
      expect(copy.read("pipeline/images.ts")).toContain(`
    refuses: {
      alpine: "needs \\"glibc\\"",
      debian: "${"x".repeat(90)}",
    },
`);
    });

    it.each([
      [
        "several programs",
        "two-programs",
        {},
        /installs several programs \(one, two\); nothing was changed: give .* --check/,
      ],
      ["no program", "library", {}, /library installs no program; nothing was changed: give .* --check/],
      [
        "a program that it does not have",
        "two-programs",
        { program: "three" },
        /^unknown program .*one of: one, two$/,
      ],
      [
        "a flavor that there is not",
        "two-programs",
        { program: "one", refuses: { plan9: "no" } },
        /unknown flavor "plan9"/,
      ],
      ["a package that there is not", "nowhere", {}, /^nowhere@latest: the npm registry has no such package/],
      ["a version that there is not", "library@7.0.0", {}, /^library@7\.0\.0: the npm registry has no such/],
    ])("refuses %s", async (_, pkg, options, expected) => {
      expect((await failure(() => add("agent", pkg, options))).message).toMatch(expected);
    });

    it("takes the program or the check that it is told", async () => {
      await add("first", "two-programs", { program: "two" });
      await add("second", "library", { check: ["node", "-e", "0"] });
      const text = copy.read("pipeline/images.ts");
      expect(text).toContain('check: ["two", "--version"]');
      expect(text).toContain('check: ["node", "-e", "0"]');
    });

    it("refuses a name that is taken or cannot be one, before it asks the registry", async () => {
      const names: [string, RegExp][] = [
        ["codex", /exists already: update it with `npx smolvm-images preset bump codex`/],
        ["Agent", /lower-case words/],
        ["my-kernel", /none of them base, initramfs, kernel/],
        ["pull", /smolvm has a command of that name/],
        ["tools", /^dockerfiles\/tools exists, but belongs to no preset/],
        ["../agent", /lower-case words/],
      ];
      for (const [name, expected] of names) {
        expect((await failure(() => add(name, "library"))).message).toMatch(expected);
      }
      expect(registry.requests).toEqual([]);
    });

    it("says what to paste where images.ts has no place that it knows", async () => {
      copy.write(
        "pipeline/images.ts",
        copy.read("pipeline/images.ts").replaceAll("new PresetLayer(release, ", "new PresetLayer( release, "),
      );
      const { message, details } = await failure(() => add("agent", "@example/agent"));
      expect(message).toMatch(/^pipeline\/images\.ts has no statement /);
      expect(details).toContain('install: npm("@example/agent"),');
    });

    it("changes nothing when no registry is reached", async () => {
      writeFileSync(process.env.npm_config_userconfig!, "registry=http://127.0.0.1:9/\nfetch-retries=0\n");
      const { message } = await failure(() => add("agent", "@example/agent"));
      expect(message).toMatch(
        /^@example\/agent@latest: npm failed \(.*ECONNREFUSED.*\); nothing was changed: /,
      );
    });

    it("ends when it is interrupted while npm waits, and changes nothing", async () => {
      const run = recordedRun();
      const before = copy.files();
      registry.hang();
      const adding = addPreset(project(), "agent", parseSpec("@example/agent", "package"), {}, run);
      await Promise.all([
        expect(adding).rejects.toThrow("interrupted"),
        vi
          .waitUntil(() => registry.requests.length > 0, { timeout: 60_000 })
          .then(() => run.interrupt(new Error("interrupted"))),
      ]);
      expect(copy.files()).toEqual(before);
    });
  });

  describe("bringing a preset to another version", () => {
    it("changes its two files and what is derived from them, keeps what still fits, and says from what to what", async () => {
      registry.publish("helper", { "1.0.0": {} });
      await add("agent", "@example/agent@1.0.0");
      registry.publish("helper", { "1.0.0": {}, "1.1.0": {} });
      const { pending, notes } = await bump("agent");
      expect(notes).toEqual(["agent: @example/agent 1.0.0 -> 1.1.0"]);
      expect(pending.map(({ path }) => path)).toEqual([
        "dockerfiles/agent/package.json",
        "dockerfiles/agent/package-lock.json",
        "out/cells.json",
      ]);
      expect(lock("agent")["node_modules/@example/agent"].version).toBe("1.1.0");
      expect(lock("agent")["node_modules/helper"].version).toBe("1.0.0");
      expect(await copy.run(["synth", "--check"])).toMatchObject({ exitCode: 0 });

      const before = copy.files();
      expect(await bump("agent")).toEqual({
        pending: [],
        notes: ["agent: nothing to change, @example/agent is at 1.1.0"],
      });
      expect(copy.files()).toEqual(before);
      expect((await bump("agent@1.0.0")).notes).toEqual(["agent: @example/agent 1.1.0 -> 1.0.0"]);
    });

    it("refuses an unknown preset or version, a package that synth refuses, and one that npm does not install", async () => {
      await add("agent", "@example/agent");
      const specs: [string, RegExp][] = [
        ["agent@7.0.0", /^@example\/agent@7\.0\.0: the npm registry has no such/],
        ["agent@2.0.0", /^the tree has 3 errors; .*nothing was changed$/],
        ["nobody", /^unknown preset "nobody"; one of: codex, /],
        ["hermes", /is not an npm package: its version is the commit /],
      ];
      for (const [spec, expected] of specs) {
        expect((await failure(() => bump(spec))).message).toMatch(expected);
      }
    });
  });

  describe("removing a preset", () => {
    it("takes its listings, and names and leaves what is not ours", async () => {
      const listing = {
        schema_version: 1,
        id: "codex-amd64-debian",
        content_size: 1,
        packages: [],
        files: {},
      };
      copy.write("listings/codex-amd64-debian.json", JSON.stringify(listing));
      copy.write("listings/codex-arm64-debian.json", "{}");
      copy.write("listings/codex-x-amd64-debian.json", "{}");
      copy.write("dockerfiles/codex/notes.txt", "mine");
      const { notes } = await remove("codex");
      expect(notes[0]).toBe("removed codex");
      expect(notes.slice(1).map((note) => note.split(" ")[0])).toEqual([
        "dockerfiles/codex/notes.txt",
        "listings/codex-arm64-debian.json",
      ]);
      expect(readdirSync(copy.path("listings")).sort()).toEqual([
        "codex-arm64-debian.json",
        "codex-x-amd64-debian.json",
      ]);
      expect(readdirSync(copy.path("dockerfiles/codex"))).toEqual(["notes.txt"]);
      expect(copy.read("pipeline/images.ts")).not.toContain("codex");
    });

    it("takes the imports that only it used, and names its pins", async () => {
      copy.write(
        "pipeline/pins.ts",
        `${copy.read("pipeline/pins.ts")}export const AGENT_COMMIT = "${"5".repeat(40)}";\n`,
      );
      const text = copy.read("pipeline/images.ts");
      copy.write(
        "pipeline/images.ts",
        text
          .replace('"5".repeat(40)', "pins.HERMES_COMMIT")
          .replace(/\n\n/, '\nimport * as pins from "./pins.ts";\n\n'),
      );
      const { notes } = await remove("hermes");
      expect(notes).toEqual([
        "removed hermes",
        "pipeline/pins.ts: HERMES_COMMIT is no longer used: delete it there",
      ]);
      expect(copy.read("pipeline/images.ts")).toContain(`
  PresetLayer,
  Release,
} from "smolvm-images/constructs";`);
    });

    it.each([
      ["nobody", /^unknown preset "nobody"; one of: codex, /],
      ["pi", /does not declare "pi" as .*nothing was changed: delete by hand/],
    ])("refuses %s", async (name, expected) => {
      const text = copy.read("pipeline/images.ts");
      copy.write(
        "pipeline/images.ts",
        text.replace('PresetLayer(release, "pi"', 'PresetLayer( release, "pi"'),
      );
      expect((await failure(() => remove(name))).message).toMatch(expected);
    });
  });

  it("the command refuses an images.ts that TypeScript refuses, with the line, and changes nothing", async () => {
    const text = copy.read("pipeline/images.ts");
    copy.write("pipeline/images.ts", text.replace("    refuses: {", "    refuse: {"));
    const before = copy.files();
    const { exitCode, stderr } = await copy.run(["preset", "remove", "pi"]);
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringMatching(/^error: pipeline\/images\.ts:\d+:\d+: .*'refuse'.*\n$/),
    ]);
    expect(copy.files()).toEqual(before);
  });

  describe("writing an edit", () => {
    it("puts everything back when one file cannot be written", async () => {
      const edit = await addPreset(
        project(),
        "agent",
        parseSpec("@example/agent", "package"),
        {},
        recordedRun(),
      );
      copy.write("listings/gone.json", "{}");
      // One file by two names, so that the second removal fails: what was written and removed until then is put back.
      const removals = ["listings/gone.json", "listings/../listings/gone.json"].map((path) => ({
        ...{ path, before: "{}", after: undefined },
      }));
      const before = copy.files();
      expect(() => apply(copy.root, [...edit.pending, ...removals])).toThrow();
      expect(copy.files()).toEqual(before);
      expect(existsSync(copy.path("dockerfiles/agent"))).toBe(false);
    });

    it("writes nothing where a file has changed since", async () => {
      const edit = await addPreset(
        project(),
        "agent",
        parseSpec("@example/agent", "package"),
        {},
        recordedRun(),
      );
      copy.write("pipeline/images.ts", `${copy.read("pipeline/images.ts")}// edited\n`);
      expect((await failure(async () => apply(copy.root, edit.pending) as never)).message).toMatch(
        /^pipeline\/images\.ts has changed while this ran/,
      );
    });
  });
});
