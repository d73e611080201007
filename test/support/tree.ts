import { App } from "../../pipeline/constructs/app.ts";
import { BaseRootfs, type BaseRootfsProps } from "../../pipeline/constructs/base-rootfs.ts";
import { Flavor } from "../../pipeline/constructs/flavor.ts";
import { Release } from "../../pipeline/constructs/release.ts";
import { declareImages } from "../../pipeline/images.ts";
import { filesIn } from "../../pipeline/synth/project.ts";
import { REPOSITORY } from "./project.ts";

const committed = filesIn(REPOSITORY);

/** An app that sees the committed files, except where `overlay` says otherwise (undefined: not there). */
export function testApp(overlay: Readonly<Record<string, string | undefined>> = {}): App {
  return new App({ files: (path) => (Object.hasOwn(overlay, path) ? overlay[path] : committed(path)) });
}

/** The project's own tree. */
export function publishedApp(overlay: Readonly<Record<string, string | undefined>> = {}): App {
  const app = testApp(overlay);
  declareImages(app);
  return app;
}

/** A release of one arch that offers nothing yet. */
export function testRelease(app: App): Release {
  return new Release(app, "test", {
    tag: "test-v1",
    repository: "example/images",
    archs: ["amd64"],
    vmms: ["qemu"],
    defaultFlavor: "ubuntu",
    newestFile: "2026-10-05T00:00:00Z",
  });
}

/** An Ubuntu base of a release, with what matters to a test. */
export function ubuntuBase(release: Release, props: Partial<BaseRootfsProps> = {}): BaseRootfs {
  const image = `ubuntu:24.04@sha256:${"0".repeat(64)}`;
  return new BaseRootfs(release, "base-ubuntu", {
    flavor: Flavor.ubuntu({ version: "24.04", image, snapshot: "20261120T000000Z" }),
    packages: ["openssh-server"],
    diskMib: 1024,
    ...props,
  });
}

/** A lockfile that npm could have written, for one package. */
export function lockfile(name: string, entry: object): string {
  return JSON.stringify({
    lockfileVersion: 3,
    packages: { "": {}, [`node_modules/${name}`]: { version: "1.2.3", integrity: "sha512-x", ...entry } },
  });
}
