import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { expect, it } from "vitest";
import { type BuildFlags, toOptions, withBuildOptions } from "../../../../pipeline/cli/pipeline/workshop.ts";
import { overridesOf } from "../../../../pipeline/plan/freshness.ts";
import { readCells } from "../../../../pipeline/runtime/read-cells.ts";
import type { Cell } from "../../../../pipeline/schema/cells.ts";
import { REPOSITORY } from "../../../support/project.ts";
import { tempDirectory } from "../../../support/run.ts";

const cells = readCells(REPOSITORY);
const HEX = "0".repeat(64);

/** What a command line says of root file systems. */
function optionsOf(...args: string[]) {
  return optionsFor(cells.cells, ...args);
}

/** What it says where these cells are selected. */
function optionsFor(selected: readonly Cell[], ...args: string[]) {
  const command = withBuildOptions(new Command().exitOverride().configureOutput({ writeErr: () => {} }));
  command.parse(args, { from: "user" });
  return toOptions(cells, command.opts<BuildFlags>(), selected);
}

function tarball(): string {
  const path = join(tempDirectory(), "rootfs.tar");
  writeFileSync(path, "");
  return path;
}

it("a root file system is for one flavor, or for all that have none of their own", () => {
  const [path, url] = [tarball(), "https://example.com/alpine.tar?a=b"];
  const options = optionsOf(
    "--rootfs",
    path,
    "--rootfs",
    `alpine=${url}`,
    "--rootfs-sha256",
    `alpine=${HEX}`,
  );
  expect(options.rootfs).toEqual([
    { flavor: undefined, from: path, sha256: undefined },
    { flavor: "alpine", from: url, sha256: HEX },
  ]);
  expect(overridesOf(cells, options, "alpine")).toEqual([`rootfs=${HEX}`]);
  expect(overridesOf(cells, options, "debian")).toEqual([`rootfs=${path}`]);
  // A flavor's own is none of the others'.
  expect(overridesOf(cells, optionsOf("--rootfs", `alpine=${url}`), "debian")).toEqual([]);
  expect(optionsOf("--rootfs", url, "--rootfs-sha256", HEX).rootfs).toEqual([
    { flavor: undefined, from: url, sha256: HEX },
  ]);
});

it.each([
  [["--rootfs", "fedora=http://x"], 'unknown flavor "fedora"; one of: ubuntu, alpine, debian'],
  [["--rootfs-sha256", `fedora=${HEX}`], 'unknown flavor "fedora"; one of: ubuntu, alpine, debian'],
  [["--rootfs-sha256", HEX], "--rootfs-sha256 HEX is given without its tarball: add --rootfs PATH|URL"],
  [
    ["--rootfs", "http://x", "--rootfs-sha256", `alpine=${HEX}`],
    "--rootfs-sha256 alpine=HEX is given without its tarball: add --rootfs alpine=PATH|URL",
  ],
  [["--rootfs", "alpine=/nowhere.tar"], "--rootfs /nowhere.tar: there is no such file"],
  [["--rootfs", "/"], "--rootfs /: there is no such file"],
  [["--rootfs", "alpine=http://x", "--rootfs", "alpine=http://y"], "It was already given for alpine."],
  [["--rootfs", "http://x", "--rootfs", "http://y"], "It was already given without a flavor."],
  [["--rootfs", "alpine=http://x", "--rootfs-sha256", "alpine=abc"], "64 lower-case hex digits."],
])("%j is refused", (args, message) => {
  expect(() => optionsOf(...args)).toThrow(message);
});

it.each([
  ["codex-amd64-debian", "alpine", "give one of debian, or select other cells"],
  ["kernel-amd64", "ubuntu", "give one of alpine, debian, or select other cells"],
])("a root file system that %s does not use is refused: %s", (id, flavor, fix) => {
  const selected = cells.cells.filter((cell) => cell.id === id);
  expect(() => optionsFor(selected, "--rootfs", `${flavor}=http://x`)).toThrow(
    `--rootfs ${flavor}=… has no effect: the selected cells use no base of ${flavor}: ${fix}`,
  );
  expect(optionsFor(selected, "--rootfs", "debian=http://x").rootfs).toHaveLength(1);
  expect(optionsFor(selected, "--rootfs", "http://x").rootfs).toHaveLength(1);
});
