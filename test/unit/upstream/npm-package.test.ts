import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { npm } from "../../../pipeline/constructs/install.ts";
import { Unknown } from "../../../pipeline/upstream/unknown.ts";
import { tempDirectory } from "../../support/run.ts";
import { lockfile } from "../../support/tree.ts";
import { declared, pinNamed, upstream } from "../../support/upstream/upstream.ts";

/** Puts a program in the place of npm. */
let answers: (script: string) => void;
beforeEach(() => {
  const bin = tempDirectory();
  vi.stubEnv("PATH", `${bin}:${process.env.PATH}`);
  answers = (script) => writeFileSync(join(bin, "npm"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
});
afterEach(() => void vi.unstubAllEnvs());

/** What `npm view` prints. */
function view(tags: Readonly<Record<string, string>>, versions: readonly string[]): void {
  answers(`cat <<'END'\n${JSON.stringify({ "dist-tags": tags, versions })}\nEND`);
}

const flavor = Flavor.alpine({ version: "3.24", image: "x:1@sha256:".padEnd(75, "0") });
/** The pin of a preset at 1.2.3. @param range its hold */
function agent(range?: string) {
  const install = npm("agent", range ? { hold: { range, reason: "it is tested" } } : {});
  const files = { "dockerfiles/agent/package-lock.json": lockfile("agent", {}) };
  return pinNamed(declared({ flavor }, files, install), "agent");
}

it("without an answer in time, a package is unknown", async () => {
  answers("exec sleep 60");
  const error = await agent()
    .newest(upstream({ patience: { totalMs: 200 } }))
    .catch((each: unknown) => each);
  expect(error).toBeInstanceOf(Unknown);
  expect((error as Error).message).toBe("agent: no whole answer within 0.2 s");
});

it.each([{ latest: "newest" }, { latest: "1" }, {}])("with the tags %j it is unknown", async (tags) => {
  view(tags as Readonly<Record<string, string>>, ["1.2.3", "1.3.0"]);
  const error = await agent()
    .newest(upstream())
    .catch((each: unknown) => each);
  expect(error).toBeInstanceOf(Unknown);
  expect((error as Error).message).toBe("agent: its tag latest is no version");
});

it("texts that are no versions are not counted", async () => {
  view({ latest: "1.4.0" }, ["1.2.3", "1.2", "1.3.0", "next", "1.4.0"]);
  expect(await agent().newest(upstream())).toMatchObject({ version: "1.4.0", behind: { versions: 2 } });
});

it.each([
  ["latest, where that is in the range", "<3", "1.3.0", "1.3.0"],
  ["the highest one, where latest is above the range", "<1.4", "2.0.0", "1.3.0"],
  ["the highest one, where latest is below the range", ">=1.3", "1.2.3", "2.0.0"],
  ["no prerelease, where another version is in the range", ">=1.4.0-beta.1", "1.2.3", "2.0.0"],
  ["a prerelease, where nothing else is in the range", "1.4.0-beta.1", "1.2.3", "1.4.0-beta.1"],
])("a hold gives %s", async (_, range, latest, version) => {
  view({ latest, next: "2.0.0" }, ["1.2.3", "1.3.0", "1.4.0-beta.1", "2.0.0", "2.1.0-next.1"]);
  expect((await agent(range).newest(upstream())).version).toBe(version);
});
