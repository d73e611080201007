import { Construct } from "constructs";
import { describe, expect, it } from "vitest";
import { AlpineBaseContributor } from "../../../../pipeline/constructs/packer/alpine/base.ts";
import { alpineIso } from "../../../../pipeline/constructs/packer/alpine/iso.ts";
import { PackerBundle, type PackerBundleProps } from "../../../../pipeline/constructs/packer/bundle.ts";
import type { Contribution, Contributor } from "../../../../pipeline/constructs/packer/contributor.ts";
import { DockerHostContributor } from "../../../../pipeline/constructs/packer/docker-host.ts";
import { PodmanHostContributor } from "../../../../pipeline/constructs/packer/podman-host.ts";
import { boxApp, boxErrors } from "../../../support/box.ts";
import { errorsOf } from "../../../support/tree.ts";

const alpine = new AlpineBaseContributor();
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOIiHcbg7ytfLFHUNLRgEAubFz dev@example.com";

/** A contributor of somebody's own. */
const own = (contribution: Contribution, name = "gpu", order = 30): Contributor => ({
  name,
  order,
  contribute: () => contribution,
});
const script = (name = "gpu.sh") => ({ name, text: "true\n" });

describe("the props of a box", () => {
  it.each<[Partial<PackerBundleProps>, string]>([
    [{ version: "3" }, 'version: "3" is not a version of two or three numbers, such as 3.24.2'],
    [{ version: "v3.24.2" }, 'version: "v3.24.2" is not a version of two or three numbers, such as 3.24.2'],
    [{ version: "3.24.2.1" }, 'version: "3.24.2.1" is not a version of two or three numbers, such as 3.24.2'],
    [{ version: "3.024" }, 'version: "3.024" is not a version of two or three numbers, such as 3.24.2'],
    [{ version: "edge" }, 'version: "edge" is not a version of two or three numbers, such as 3.24.2'],
    [{ diskMib: 512 }, "diskMib: 512 is not a whole number of at least 1024"],
    [{ diskMib: 2048.5 }, "diskMib: 2048.5 is not a whole number of at least 1024"],
    [{ diskMib: "10G" as never }, 'diskMib: "10G" is not of type number'],
    [{ memoryMib: 64 }, "memoryMib: 64 is not a whole number of at least 256"],
    [{ cpus: 0 }, "cpus: 0 is not a whole number of at least 1"],
    [{ bootWaitS: 0 }, "bootWaitS: 0 is not a whole number of at least 1"],
    [
      { mirror: "ftp://mirror" },
      'mirror: "ftp://mirror" is not an http(s) address without a slash at its end',
    ],
    [{ mirror: "http://a/b/" }, 'mirror: "http://a/b/" is not an http(s) address without a slash at its end'],
    [{ hostname: "a.b" }, 'hostname: "a.b" is not a host name: use letters, digits and -, at most 63'],
    [{ hostname: "-a" }, 'hostname: "-a" is not a host name: use letters, digits and -, at most 63'],
    [{ domain: "a..b" }, 'domain: "a..b" is not a domain such as example.com'],
    [{ dns: ["1.1.1"] }, 'dns[0]: "1.1.1" is not an IP address'],
    [{ dns: [] }, "dns: [] lists no name server"],
    [{ dns: ["::1", "::1"] }, 'dns: "::1" is listed twice'],
    [{ keymap: "us" }, 'keymap: "us" is not a layout and a variant, such as us us'],
    [{ timezone: "Europe/$(x)" }, 'timezone: "Europe/$(x)" is not a time zone such as Europe/Brussels'],
    [{ proxy: "proxy:3128" }, 'proxy: "proxy:3128" is not the address of a proxy such as http://proxy:3128'],
    [{ ntp: "ntpd" as never }, 'ntp: "ntpd" is not one of: busybox, chrony, openntpd, none'],
    [{ user: { name: "root", key: KEY } }, 'user.name: "root" is not the name of a user other than root'],
    [{ user: { name: "Dev", key: KEY } }, 'user.name: "Dev" is not the name of a user other than root'],
    [
      { user: { name: "dev", key: "AAAA" } },
      'user.key: "AAAA" is not a public key, as ssh-keygen writes it: ssh-ed25519 AAAA…',
    ],
    [
      { rootKey: 'ssh-rsa AAAA"' },
      'rootKey: "ssh-rsa AAAA\\"" is not a public key, as ssh-keygen writes it: ssh-ed25519 AAAA…',
    ],
    [
      { rootPassword: "it's" },
      'rootPassword: "it\'s" is not a password that can be typed: 8 to 72 letters, digits, ".", "_", "-"',
    ],
    [{ colour: "red" } as never, 'unknown prop "colour"'],
    [
      { contributors: [] },
      "contributors: none adds a source: list one that does, such as AlpineBaseContributor",
    ],
    [{ contributors: [{} as never] }, "contributors[0]: {} is not of type Contributor"],
    [
      { contributors: [alpine, new DockerHostContributor({ users: ["root"] })] },
      'contributors[1]: docker-host: users[0]: "root" is not the name of a user other than root',
    ],
    [
      { contributors: [alpine, new PodmanHostContributor({ packages: ["a b"] })] },
      'contributors[1]: podman-host: packages[0]: "a b" is not the name of a package',
    ],
  ])("are refused by name: %j", (props, error) => {
    expect(boxErrors(props)).toEqual([`box: ${error}`]);
  });

  it.each(["Alpine", "-box", "a.b", "a_b"])("include its id: %s is refused", (id) => {
    expect(boxErrors({}, id)).toContainEqual(
      expect.stringContaining(
        `${id}: "${id}" is not a name: use lower-case letters, digits and "-"; the first must be no "-"`,
      ),
    );
  });

  it("include a name that no other box has", () => {
    const app = boxApp();
    new PackerBundle(new Construct(app, "team"), "box", { version: "3.24.2", contributors: [alpine] });
    expect(errorsOf(app)).toEqual([
      'box: another PackerBundle has the name "box" too: give it a name of its own',
    ]);
  });

  it("are taken as they are, with a version of two parts as its .0", () => {
    const box = (version: string) => boxApp({ version }).node.findChild("box") as PackerBundle;
    expect(box("3.24.2").config.version).toBe("3.24.2");
    expect(box("3.24")).toMatchObject({ version: "3.24", config: { version: "3.24.0" } });
    expect(boxErrors({ version: "3.24" })).toEqual([]);
  });
});

it("the installation medium follows from the version", () => {
  expect(alpineIso("https://mirror.example.com/alpine", "3.24.0", "aarch64")).toBe(
    "https://mirror.example.com/alpine/v3.24/releases/aarch64/alpine-virt-3.24.0-aarch64.iso",
  );
});

describe("the contributors of a box", () => {
  const errors = (...contributors: Contributor[]) => boxErrors({ contributors });

  it("cannot be two container engines", () => {
    expect(errors(alpine, new DockerHostContributor(), new PodmanHostContributor())).toEqual([
      "box: contributors: docker-host and podman-host both add the script container-host.sh: " +
        "keep one of them, or rename it",
    ]);
  });

  it("cannot be the same twice", () => {
    expect(errors(alpine, alpine)).toEqual(["box: contributors: alpine-base is listed twice"]);
  });

  const bool = { type: "bool", default: true, description: "x" } as const;
  it.each<[string, Contribution]>([
    ["variable mirror", { variables: { mirror: bool } }],
    ["local root_password", { locals: { root_password: "1" } }],
    ["source qemu.alpine-3_24_2", { sources: [{ type: "qemu", name: "alpine-3_24.2", settings: {} }] }],
    ["HTTP file answers", { http: { answers: "x" } }],
    ["script alpine-base.sh", { scripts: [script("alpine-base.sh")] }],
  ])("cannot claim a name twice: the %s", (claim, contribution) => {
    expect(errors(alpine, own(contribution))).toEqual([
      `box: contributors: alpine-base and gpu both add the ${claim}: keep one of them, or rename it`,
    ]);
  });

  it("cannot claim a name twice within one", () => {
    expect(errors(alpine, own({ scripts: [script(), script()] }))).toEqual([
      "box: contributor gpu: adds the script gpu.sh twice",
    ]);
    const post = { type: "checksum", settings: {} };
    expect(errors(alpine, own({ postProcessors: [post, post] }))).toEqual([
      "box: contributor gpu: adds the post-processor checksum twice",
    ]);
  });

  const lacks =
    "has no source to change: list a contributor of a lower order that adds one, such as AlpineBaseContributor";
  it("need a source before an overlay", () => {
    expect(errors(new DockerHostContributor())).toEqual([
      `box: contributors: docker-host (order 20) ${lacks}`,
    ]);
    expect(errors(own({ scripts: [script()] }, "early", 5), alpine)).toEqual([
      `box: contributors: early (order 5) ${lacks}`,
    ]);
    expect(errors(own({ postProcessors: [{ type: "checksum", settings: {} }] }, "early", 5), alpine)).toEqual(
      [`box: contributors: early (order 5) ${lacks}`],
    );
    // A variable leans on nothing, but a box is made from a source.
    expect(errors(own({ variables: { gpu: bool } }))).toEqual([
      "box: contributors: none adds a source: list one that does, such as AlpineBaseContributor",
    ]);
  });

  it("must add each file that a source fetches", () => {
    const source = {
      type: "null",
      name: "pxe",
      settings: { boot_command: ["wget http://{{ .HTTPIP }}:{{ .HTTPPort }}/kickstart<enter>"] },
    };
    expect(errors(own({ sources: [source] }))).toEqual([
      "box: contributor gpu: the source null.pxe fetches kickstart, and no contributor adds the HTTP file kickstart",
    ]);
    expect(errors(own({ sources: [source], http: { kickstart: "x" } }))).toEqual([]);
  });

  it.each<[Contribution, string]>([
    [
      { scripts: [script("../x")] },
      'scripts[0].name: "../x" is not a file name such as docker-host.sh: use letters, digits, ".", "_" and "-"',
    ],
    [{ scripts: [{ name: "x.sh", text: "" }] }, 'scripts[0].text: "" is empty'],
    [
      { sources: [{ type: "QEMU", name: "x", settings: {} }] },
      'sources[0].type: "QEMU" is not a type of Packer\'s, such as qemu',
    ],
    [{ files: {} } as never, 'unknown prop "files"'],
    [undefined as never, "the props are missing"],
  ])("cannot add %j", (contribution, error) => {
    expect(errors(alpine, own(contribution))).toEqual([`box: contributor gpu: ${error}`]);
  });

  it("that throw are named", () => {
    const broken: Contributor = {
      name: "gpu",
      order: 30,
      contribute: () => {
        throw new TypeError("no such card");
      },
    };
    expect(errors(alpine, broken)).toEqual(["box: contributor gpu: no such card"]);
  });
});
