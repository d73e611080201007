import { expect, it } from "vitest";
import { npm } from "../../../pipeline/constructs/install.ts";
import { PresetLayer } from "../../../pipeline/constructs/preset-layer.ts";
import { propFindings } from "../../../pipeline/constructs/props.ts";
import { Release } from "../../../pipeline/constructs/release.ts";
import { lockfile, RELEASE_PROPS, testApp, ubuntuBase } from "../../support/tree.ts";

/** What is wrong with a preset at 1.2.3 that is held to a range. */
function errors(range: string, reason = "2.0 needs a newer Node"): string[] {
  const files = {
    "dockerfiles/agent/package-lock.json": lockfile("agent", {}),
    "dockerfiles/agent/package.json": "{}",
  };
  const release = new Release(testApp(files), "test", RELEASE_PROPS);
  ubuntuBase(release);
  const install = npm("agent", { binary: "agent/bin", hold: { range, reason } });
  const layer = new PresetLayer(release, "agent", { install, check: ["agent"] });
  return [...propFindings(layer).errors, ...layer.node.validate()];
}

it("a locked version must be in the range that holds it", () => {
  expect(errors("<2")).toEqual([]);
  expect(errors(">=1.5")).toEqual([
    "dockerfiles/agent/package-lock.json has agent 1.2.3, but images.ts holds it to >=1.5: 2.0 needs a newer Node",
  ]);
});

it.each([
  ["newest", "why", "install.hold.range: is not a range of versions like <1.2"],
  ["<2", "", 'install.hold.reason: "" is empty'],
])("the range %j with the reason %j is refused", (range, reason, problem) => {
  expect(errors(range, reason)[0]).toContain(problem);
});
