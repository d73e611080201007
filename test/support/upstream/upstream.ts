import { BaseRootfs, type BaseRootfsProps } from "../../../pipeline/constructs/base-rootfs.ts";
import type { Install } from "../../../pipeline/constructs/install.ts";
import { PresetLayer } from "../../../pipeline/constructs/preset-layer.ts";
import { Release } from "../../../pipeline/constructs/release.ts";
import { pinsOf } from "../../../pipeline/upstream/index.ts";
import type { Declared, Newest, Pin } from "../../../pipeline/upstream/pin.ts";
import { Upstream, type UpstreamOptions } from "../../../pipeline/upstream/upstream.ts";
import { recordedRun } from "../run.ts";
import { RELEASE_PROPS, testApp } from "../tree.ts";

/** Nobody waits long for a server of the test's own. */
const PATIENCE = {
  ...{ attempts: 3, firstMs: 1, longestMs: 2, limitS: 5, secondMs: 1 },
  ...{ silenceMs: 300, totalMs: 3000 },
};

export const upstream = (options: UpstreamOptions = {}) =>
  new Upstream(
    { today: new Date("2026-11-22T12:00:00Z"), ...options, patience: { ...PATIENCE, ...options.patience } },
    recordedRun(),
  );

/** A project with one base, and one preset if `install` is given. Its own files are those of `files`. */
export function declared(
  base: Partial<BaseRootfsProps> & Pick<BaseRootfsProps, "flavor">,
  files: Readonly<Record<string, string>> = {},
  install?: Install,
): Declared {
  const release = new Release(testApp(files), "test", { ...RELEASE_PROPS, archs: ["amd64", "arm64"] });
  new BaseRootfs(release, "base", { packages: ["openssh-server"], diskMib: 1024, ...base });
  if (install) new PresetLayer(release, "agent", { install, check: ["agent"] });
  return { release, declaration: "images.ts", own: (path) => files[path] };
}

/** A pin of a project, by its name. */
export function pinNamed(project: Declared, name: string): Pin {
  const pins = pinsOf(project);
  const pin = pins.find((each) => each.name === name);
  if (pin === undefined)
    throw new Error(`there is no pin ${name}: ${pins.map((each) => each.name).join(", ")}`);
  return pin;
}

/** The files of a project once the newest version of a pin is written. */
export async function written(project: Declared, { write }: Newest): Promise<Record<string, string>> {
  if (write === undefined) throw new Error("it cannot be written");
  return Object.fromEntries(await write(project, recordedRun()));
}
