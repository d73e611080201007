import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { AlpineBaseContributor } from "../../../../pipeline/constructs/packer/alpine/base.ts";
import { PackerBundle } from "../../../../pipeline/constructs/packer/bundle.ts";
import type { Contributor } from "../../../../pipeline/constructs/packer/contributor.ts";
import { DockerHostContributor } from "../../../../pipeline/constructs/packer/docker-host.ts";
import { PodmanHostContributor } from "../../../../pipeline/constructs/packer/podman-host.ts";
import { VagrantBoxContributor } from "../../../../pipeline/constructs/packer/vagrant-box.ts";
import { cellsOf, synth } from "../../../../pipeline/synth/synth.ts";
import { boxApp } from "../../../support/box.ts";
import { REPOSITORY } from "../../../support/project.ts";
import { testApp, testRelease, ubuntuBase } from "../../../support/tree.ts";

const golden = (path: string) => join(REPOSITORY, "test/unit/synth/packer/golden", path);
const alpine = new AlpineBaseContributor();
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOIiHcbg7ytfLFHUNLRgEAubFz dev@example.com";

/** Every prop, with another value than its default. */
const EVERY_PROP = {
  version: "3.23",
  mirror: "https://mirror.example.com/alpine",
  hostname: "lab",
  domain: "example.com",
  dns: ["192.0.2.1", "2001:db8::1"],
  keymap: "be be-nodeadkeys",
  timezone: "Europe/Brussels",
  proxy: "http://proxy.example.com:3128",
  ntp: "openntpd",
  user: { name: "dev", key: KEY },
  rootKey: KEY,
  rootPassword: "alpine-build",
  diskMib: 20_480,
  memoryMib: 2048,
  cpus: 4,
  headless: false,
  bootWaitS: 90,
} as const;

/** The files of the box, by their path below its directory. */
function filesOf(app: ReturnType<typeof boxApp>): [string, string][] {
  const at = "out/packer/box/";
  return [...synth(app)].flatMap(([path, text]) =>
    path.startsWith(at) ? [[path.slice(at.length), text]] : [],
  );
}

describe("a box is rendered as the golden files have it", () => {
  it.each([
    [
      "docker",
      {
        contributors: [
          alpine,
          new DockerHostContributor({ users: ["vagrant"] }),
          new VagrantBoxContributor(),
        ],
      },
    ],
    ["podman", { ...EVERY_PROP, contributors: [alpine, new PodmanHostContributor({ packages: ["crun"] })] }],
  ])("%s", async (name, props) => {
    const files = filesOf(boxApp(props));
    expect(files.map(([path]) => path)).toEqual([
      ...["box.pkr.json", "http/answers", "scripts/alpine-base.sh", "scripts/alpine-close.sh"],
      ...["scripts/container-host.sh", ...(name === "docker" ? ["scripts/vagrant-box.sh"] : [])],
    ]);
    for (const [path, text] of files)
      await expect(text).toMatchFileSnapshot(golden(`${name}/${path}.golden`));
  });
});

describe("a box", () => {
  const template = (props: Parameters<typeof boxApp>[0]) =>
    JSON.parse(new Map(filesOf(boxApp(props))).get("box.pkr.json")!);

  it("runs its scripts by order, and those of the same order as they are listed", () => {
    const script = (name: string, order: number): Contributor => ({
      ...{ name, order },
      contribute: () => ({ scripts: [{ name: `${name}.sh`, text: "true\n" }] }),
    });
    const contributors = [script("c", 40), script("a", 30), alpine, script("b", 30)];
    expect(template({ contributors }).build[0].provisioner[0].shell.scripts).toEqual(
      ["alpine-base", "a", "b", "c", "alpine-close"].map((name) => `\${path.root}/scripts/${name}.sh`),
    );
  });

  it("gives a source the name with its dots where it is built, and a label without where it is declared", () => {
    const { source, build } = template({});
    expect(Object.keys(source.qemu)).toEqual(["alpine-3_24_2"]);
    expect(build[0].source).toEqual([
      { "virtualbox-iso.alpine-3_24_2": { name: "alpine-3.24.2" } },
      { "qemu.alpine-3_24_2": { name: "alpine-3.24.2" } },
    ]);
  });

  it("has another version everywhere when one field changes", () => {
    const text = (version: string) =>
      filesOf(boxApp({ version }))
        .map(([, each]) => each)
        .join("\n");
    const before = text("3.24.2");
    expect(before).not.toMatch(/3\.25|3_25/);
    expect(text("3.25.0")).toBe(
      before.replaceAll("3.24.2", "3.25.0").replaceAll("3_24_2", "3_25_0").replaceAll("v3.24", "v3.25"),
    );
  });

  it("has no password of its own, unless one is asked for", () => {
    const { variable, locals } = template({});
    expect(variable.root_password).toMatchObject({ default: "", sensitive: true });
    expect(locals.root_password).toContain("uuidv4()");
    expect(template({ rootPassword: "alpine-build" }).variable.root_password).toMatchObject({
      ...{ default: "alpine-build", sensitive: true },
    });
  });

  it("has no empty blocks, which Packer refuses", () => {
    const source: Contributor = {
      ...{ name: "null", order: 1 },
      contribute: () => ({ sources: [{ type: "null", name: "x", settings: { communicator: "none" } }] }),
    };
    expect(template({ contributors: [source] })).toEqual({
      "//": expect.stringContaining("Generated by"),
      source: { null: { x: { communicator: "none" } } },
      build: [{ name: "box", source: [{ "null.x": { name: "x" } }] }],
    });
  });

  it("changes neither cells nor manifest of the release", () => {
    const without = testApp();
    ubuntuBase(testRelease(without));
    const [one, other] = [synth(without), synth(boxApp())];
    expect(cellsOf(other)).toEqual(cellsOf(one));
    const changed = [...other].filter(([path, text]) => one.get(path) !== text).map(([path]) => path);
    expect(changed.filter((path) => !path.startsWith("out/packer/"))).toEqual([".gitattributes"]);
  });

  it("can be declared below the release as well", () => {
    const app = testApp();
    const release = testRelease(app);
    ubuntuBase(release);
    new PackerBundle(release, "box", { version: "3.24.2", contributors: [alpine] });
    expect(filesOf(app)).toEqual(filesOf(boxApp()));
  });
});

describe("the answers for setup-alpine", () => {
  it("answer each question, so that an installation never waits", () => {
    const text = new Map(filesOf(boxApp()))!.get("http/answers")!;
    const names = [...text.matchAll(/^(?:export )?([A-Z_]+)=/gm)].map(([, name]) => name);
    expect(names).toEqual([
      ...["KEYMAPOPTS", "HOSTNAMEOPTS", "DEVDOPTS", "INTERFACESOPTS", "DNSOPTS", "TIMEZONEOPTS", "PROXYOPTS"],
      ...[
        "APKREPOSOPTS",
        "USEROPTS",
        "SSHDOPTS",
        "NTPOPTS",
        "DISKOPTS",
        "ERASE_DISKS",
        "LBUOPTS",
        "APKCACHEOPTS",
      ],
    ]);
    expect(text.split("\n")[1]).toContain("setup-alpine");
  });
});
