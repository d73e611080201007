import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { uv } from "../../../pipeline/constructs/install.ts";
import { TABLE, withActions } from "../../../pipeline/upstream/pins/action.ts";
import { REPOSITORY } from "../../support/project.ts";
import { tempDirectory } from "../../support/run.ts";
import { repository } from "../../support/upstream/git-server.ts";
import { declared, pinNamed, upstream, written } from "../../support/upstream/upstream.ts";

const alpine = Flavor.alpine({ version: "3.24", image: "x:1@sha256:".padEnd(75, "0") });
afterEach(() => void vi.unstubAllEnvs());

describe("a preset from a git repository", () => {
  const agent = (path: string, commit: string, text = `COMMIT = "${commit}"`) =>
    declared({ flavor: alpine }, { "images.ts": text }, uv({ repository: `file://${path}`, commit }));

  it("is behind the newest tag that is a version", async () => {
    const tags = ["v2026.9.2", "v2026.9.10", "v2026.10.1", "v2026.11.1-rc.1", "nightly"];
    const { path, commits } = repository(tags, ["v2026.10.1"]);
    const [old, newest] = [commits["v2026.9.2"]!, commits["v2026.10.1"]!];
    const text = `/** At the tag v2026.9.2 of its repository. */\nconst COMMIT = "${old}";\n`;
    const project = agent(path, old, text);
    const pin = pinNamed(project, "agent");
    const answer = await pin.newest(upstream());
    expect(pin.pinned).toBe(old.slice(0, 12));
    expect(answer).toMatchObject({
      version: newest.slice(0, 12),
      behind: { versions: 2, days: 2 },
      note: "v2026.9.2 -> v2026.10.1",
    });
    expect(await written(project, answer)).toEqual({
      "images.ts": text.replace("v2026.9.2", "v2026.10.1").replace(old, newest),
    });
  });

  it("at the newest tag is current", async () => {
    const { path, commits } = repository(["v1.0.0", "v1.1.0"]);
    const newest = commits["v1.1.0"]!;
    expect(await pinNamed(agent(path, newest), "agent").newest(upstream())).toEqual({
      ...{ version: newest.slice(0, 12), note: "v1.1.0" },
    });
  });

  it("at a commit without a tag is unknown: it may be newer than every tag", async () => {
    const { path } = repository(["v1.0.0"]);
    await expect(pinNamed(agent(path, "0".repeat(40)), "agent").newest(upstream())).rejects.toThrow(
      `file://${path}: no version's tag is at 000000000000`,
    );
  });

  it("is unknown if there is no repository", async () => {
    await expect(
      pinNamed(agent("/nonexistent", "0".repeat(40)), "agent").newest(upstream()),
    ).rejects.toMatchObject({ code: "upstream-unknown", message: expect.stringContaining("/nonexistent") });
  });
});

describe("an action", () => {
  const table = (version: string, commit: string) =>
    `const ACTIONS = {\n  "actions/checkout": { version: "${version}", commit: "${commit}" },\n} as const;\n`;

  /** Git takes what is asked of github.com from a directory, by a setting of its own. */
  function github(): string {
    const root = tempDirectory();
    vi.stubEnv("GIT_CONFIG_COUNT", "1");
    vi.stubEnv("GIT_CONFIG_KEY_0", `url.file://${root}/.insteadOf`);
    vi.stubEnv("GIT_CONFIG_VALUE_0", "https://github.com/");
    return join(root, "actions/checkout");
  }

  it("is brought to the commit of its newest version, in the table", async () => {
    const { commits } = repository(["v7", "v7.0.1", "v7.1.0", "v8.0.0"], ["v8.0.0"], github());
    const project = declared({ flavor: alpine }, { [TABLE]: table("v7.0.1", commits["v7.0.1"]!) });
    const answer = await pinNamed(project, "actions/checkout").newest(upstream());
    expect(answer).toMatchObject({ version: "v8.0.0", behind: { versions: 2, days: 2 } });
    expect(answer.changed).toBeUndefined();
    expect(await written(project, answer)).toEqual({ [TABLE]: table("v8.0.0", commits["v8.0.0"]!) });
  });

  it("whose tag was moved is said", async () => {
    const { commits } = repository(["v7.0.1"], [], github());
    const project = declared({ flavor: alpine }, { [TABLE]: table("v7.0.1", "0".repeat(40)) });
    expect(await pinNamed(project, "actions/checkout").newest(upstream())).toEqual({
      version: "v7.0.1",
      changed: `the tag v7.0.1 of actions/checkout is at ${commits["v7.0.1"]} now`,
    });
  });

  it("of this project is found, each one", () => {
    const text = readFileSync(join(REPOSITORY, TABLE), "utf8");
    const project = declared({ flavor: alpine }, { [TABLE]: text });
    expect(pinNamed(project, "actions/checkout").pinned).toMatch(/^v\d+\.\d+\.\d+$/);
    expect(text.match(/"actions\/[\w-]+": \{/g)).toHaveLength(
      text.match(/^ {2}"actions\/[\w-]+": \{ version: "v[\d.]+", commit: "[0-9a-f]{40}" \},$/gm)!.length,
    );
  });

  it("in a table of another form is an error that says what was looked for", () => {
    const project = declared({ flavor: alpine }, { [TABLE]: "const ACTIONS = load();\n" });
    expect(() => pinNamed(project, "x")).toThrow(`${TABLE}: no row like`);
  });

  it("is replaced in a generated workflow, with the version behind it", () => {
    const [old, now] = ["1".repeat(40), "2".repeat(40)];
    const workflow = `uses: actions/checkout@${old} # v7.0.1\nuses: actions/other@${"3".repeat(40)} # v1.0.0\n`;
    expect(withActions(workflow, table("v7.0.1", old), table("v7.1.0", now))).toBe(
      workflow.replace(`${old} # v7.0.1`, `${now} # v7.1.0`),
    );
  });
});
