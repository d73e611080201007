import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { AlpineBaseContributor } from "../../pipeline/constructs/packer/alpine/base.ts";
import type { PackerBundleProps } from "../../pipeline/constructs/packer/bundle.ts";
import type { Contributor } from "../../pipeline/constructs/packer/contributor.ts";
import { DockerHostContributor } from "../../pipeline/constructs/packer/docker-host.ts";
import { PodmanHostContributor } from "../../pipeline/constructs/packer/podman-host.ts";
import { VagrantBoxContributor } from "../../pipeline/constructs/packer/vagrant-box.ts";
import { type Output, synth } from "../../pipeline/synth/synth.ts";
import { boxApp } from "../support/box.ts";
import { FileServer } from "../support/file-server.ts";
import { command } from "../support/project.ts";
import { tempDirectory } from "../support/run.ts";
import { projectApp } from "../support/tree.ts";

/** What the real Packer says of the templates. It fetches the checksum of the installation medium, here from loopback. */
const TEMPLATE = /^out\/packer\/([a-z0-9-]+)\/\1\.pkr\.json$/;
const MEDIUM = /\$\{var\.mirror\}(\/\S+?\.iso)"/;

const alpine = new AlpineBaseContributor();
const [docker, podman, vagrant] = [
  new DockerHostContributor({ users: ["dev"] }),
  new PodmanHostContributor({ users: ["dev"] }),
  new VagrantBoxContributor(),
];
const boxes: Record<string, Partial<PackerBundleProps>> = {
  "an Alpine": {},
  "a Docker host": { contributors: [alpine, docker, vagrant] },
  "a Podman host": { contributors: [alpine, podman], rootPassword: "alpine-build", version: "3.23" },
};

/** Writes the files of boxes to a directory. @returns the directory, and the templates in it */
function written(output: Output): { root: string; templates: string[] } {
  const root = tempDirectory();
  const files = [...output].filter(([path]) => path.startsWith("out/packer/"));
  for (const [path, text] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return { root, templates: files.flatMap(([path]) => (TEMPLATE.test(path) ? [path] : [])) };
}

/** Runs Packer in a directory of its own, which asks nobody for a newer version of itself. */
const packer = (root: string, ...args: string[]) =>
  command(["packer", ...args], {
    root,
    env: { CHECKPOINT_DISABLE: "1", PACKER_CACHE_DIR: join(root, "cache"), PACKER_NO_COLOR: "1" },
  });

/** A mirror that has the checksum of a template's medium. */
async function mirror(template: string): Promise<FileServer> {
  const server = await FileServer.start();
  const [, path] = MEDIUM.exec(template)!;
  const name = path!.slice(path!.lastIndexOf("/") + 1);
  server.files.set(`${path}.sha256`, Buffer.from(`${"a".repeat(64)}  ${name}\n`));
  return server;
}

describe("the real Packer", () => {
  it.each(["the project's own boxes", ...Object.keys(boxes)])("takes the template of %s", async (name) => {
    const output = synth(name in boxes ? boxApp(boxes[name]) : projectApp());
    const { root, templates } = written(output);
    expect(templates.length).toBeGreaterThan(0);
    for (const template of templates) {
      const server = await mirror(output.get(template)!);
      const { exitCode, stdout, stderr } = await packer(
        ...[root, "validate", "-var", `mirror=${server.url}`, template],
      );
      expect(exitCode, stdout + stderr).toBe(0);
      // It has read the checksum: that of each source.
      expect(server.requests.filter((line) => line.endsWith(".iso.sha256")).length).toBeGreaterThan(1);
    }
  });

  it("refuses a medium whose checksum the mirror does not have", async () => {
    const { root, templates } = written(synth(boxApp()));
    const server = await FileServer.start();
    const { exitCode, stdout } = await packer(
      ...[root, "validate", "-var", `mirror=${server.url}`, templates[0]!],
    );
    expect(exitCode).toBe(1);
    expect(stdout).toContain("bad response code: 404");
  });

  /** A box that needs no machine. */
  const none: Contributor = {
    ...{ name: "none", order: 1 },
    contribute: () => ({
      sources: [{ type: "null", name: "alpine-3.24.2", settings: { communicator: "none" } }],
    }),
  };

  it("builds a source under the name with its dots", async () => {
    const { root, templates } = written(synth(boxApp({ contributors: [none] })));
    const { exitCode, stdout } = await packer(
      ...[root, "build", "-only=box.null.alpine-3.24.2", templates[0]!],
    );
    expect(exitCode, stdout).toBe(0);
    expect(stdout).toContain("Build 'box.null.alpine-3.24.2' finished");
  });

  it("refuses a dot in the name of a source that is referred to, which is why it has a label as well", async () => {
    const root = tempDirectory();
    const template = {
      source: { null: { "alpine-3.24.2": { communicator: "none" } } },
      build: [{ sources: ["source.null.alpine-3.24.2"] }],
    };
    writeFileSync(join(root, "dots.pkr.json"), JSON.stringify(template));
    const { exitCode, stdout } = await packer(root, "validate", "dots.pkr.json");
    expect(exitCode).toBe(1);
    expect(stdout).toContain("Unknown source null.alpine-3");
  });

  it("generates another password for each build, and takes one that is given", async () => {
    const { root, templates } = written(synth(boxApp()));
    const server = await mirror(synth(boxApp()).get(templates[0]!)!);
    const password = async (...args: string[]) => {
      const flags = ["-var", `mirror=${server.url}`, ...args, templates[0]!];
      const { exitCode, stdout } = await command(
        ["sh", "-c", 'echo local.root_password | packer console "$@"', "sh", ...flags],
        {
          root,
          env: { CHECKPOINT_DISABLE: "1" },
        },
      );
      expect(exitCode, stdout).toBe(0);
      return stdout.trim();
    };
    const [one, other] = [await password(), await password()];
    expect(one).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(other).not.toBe(one);
    // Packer hides it everywhere.
    expect(await password("-var", "root_password=of-my-own")).toBe("<sensitive>");
  });
});

it.each(Object.keys(boxes))("shellcheck accepts the scripts and answers of %s", (name) => {
  const { root } = written(synth(boxApp(boxes[name])));
  // setup-alpine reads the variables of its answers.
  const line = "shellcheck scripts/*.sh && shellcheck -s sh -e SC2034 http/answers";
  const { status, stdout, stderr } = spawnSync("sh", ["-c", line], {
    cwd: join(root, "out/packer/box"),
    encoding: "utf8",
  });
  expect(status, stdout + stderr).toBe(0);
});
