import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { checkActionsFiles } from "../../../../pipeline/cli/pipeline/actions-files.ts";
import { cellCommand } from "../../../../pipeline/cli/pipeline/cell.ts";
import { releaseCommand } from "../../../../pipeline/cli/pipeline/release.ts";
import { synthCommand } from "../../../../pipeline/cli/pipeline/synth.ts";
import { downloaded, pruneCommand } from "../../../../pipeline/cli/smolvm/images.ts";
import { createCommand, startCommand, timings } from "../../../../pipeline/cli/smolvm/machine.ts";
import { claim } from "../../../../pipeline/client/machines/registry.ts";
import { checkStartOptions } from "../../../../pipeline/client/machines/start-options.ts";
import { connect } from "../../../../pipeline/image/docker/engine.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import { proxiedFetch } from "../../../../pipeline/util/http.ts";
import { hostArch } from "../../../../pipeline/vm/accel.ts";
import { generateKey } from "../../../../pipeline/vm/ssh.ts";
import { FileServer } from "../../../support/file-server.ts";
import { ReleaseFiles } from "../../../support/release-files.ts";
import { tempDirectory } from "../../../support/run.ts";
import { sampleCheckout } from "../../../support/tree.ts";

/** What a command ends with that is given these words; its errors are thrown, and nothing is printed. */
async function failure(command: Command, words: readonly string[]): Promise<Error & { code?: string }> {
  for (const each of [command, ...command.commands]) {
    each.exitOverride().configureOutput({ outputError() {}, writeErr() {} });
  }
  return await command.parseAsync(words, { from: "user" }).then(
    () => expect.fail("it was not refused"),
    (error) => error,
  );
}

let home: string;
beforeEach(() => {
  home = tempDirectory();
  vi.stubEnv("SMOLVM_CACHE", join(home, "cache"));
  vi.stubEnv("SMOLVM_MACHINES", join(home, "machines"));
  vi.stubEnv("DOCKER_HOST", "unix:///nowhere/docker.sock");
  vi.stubEnv("GITHUB_TOKEN", "");
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
});
afterEach(() => {
  process.exitCode = undefined;
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const written = (name: string, text: string): string => {
  const path = join(home, name);
  writeFileSync(path, text);
  return path;
};

describe("what is asked of a machine", () => {
  const RSA = `ssh-rsa ${"A".repeat(1400)}`;
  it.each<[string, string[], RegExp]>([
    [
      "a name with a space",
      ["--name", "A b"],
      /^machine name "A b" is not valid: use at most 41 lower-case letters, digits and "-"/,
    ],
    ["a name that leads elsewhere", ["--name", "../x"], /^machine name "\.\.\/x" is not valid: /],
    ["an empty name", ["--name", ""], /^machine name "" is not valid: /],
    ["a name of two lines", ["--name", "a\nb"], /^machine name "a\\nb" is not valid: /],
    ["a name that is too long", ["--name", "a".repeat(42)], /: use at most 41 lower-case letters/],
    [
      "a key that is not there",
      ["--key", "/nowhere/my key.pub"],
      /^cannot read the key \/nowhere\/my key\.pub \(no such file or directory\): give the file that ends in \.pub$/,
    ],
    ["a key that is a directory", ["--key", "/"], /^cannot read the key \/ \(it is a directory\): /],
    [
      "a key that never ends",
      ["--key", "/dev/zero"],
      /^cannot read the key \/dev\/zero \(it is larger than 65536 bytes\): /,
    ],
    ["an empty key", ["--key", ""], /^cannot read the key "" \(/],
    [
      "a private key",
      ["--key", "PRIVATE"],
      / is not an SSH public key \(.*\): .*give the file that ends in \.pub$/,
    ],
    [
      "a key that is too long",
      ["--key", RSA],
      / has 1408 characters, but only 1000 fit on the kernel's command line: use an ed25519 key$/,
    ],
    [
      "libkrun",
      ["--vmm", "libkrun"],
      /^smolvm cannot start machines with libkrun: use --vmm qemu or firecracker$/,
    ],
    [
      "Firecracker without a network",
      ["--vmm", "firecracker"],
      /^Firecracker needs a tap device: give one with --tap$/,
    ],
    [
      "a network device that can be none",
      ["--vmm", "firecracker", "--tap", "a/b"],
      /^--tap "a\/b" is not the name of a network device: /,
    ],
    [
      "too many processors for Firecracker",
      ["--vmm", "firecracker", "--cpus", "33"],
      /^--cpus 33 is not valid: give a whole number from 1 to 32$/,
    ],
    [
      "a tap device for QEMU",
      ["--tap", "tap0"],
      /^--tap is only for Firecracker; qemu makes the network itself: omit --tap$/,
    ],
    [
      "KVM for a guest of another arch",
      ["--accel", "kvm", "--arch", hostArch() === "amd64" ? "arm64" : "amd64"],
      /^KVM cannot run this guest: it is /,
    ],
    ["a mirror that can be none", ["--mirror", "ftp://x"], /^--mirror "ftp:\/\/x" begins with ftp:/],
  ])("is refused before anything is fetched or written: %s", async (_, words, message) => {
    const server = await FileServer.start();
    const release = new ReleaseFiles("https://github.com/example/images/releases/download");
    for (const [name, bytes] of release.files) server.files.set(`/${name}`, bytes);
    const manifest = written("manifest.json", JSON.stringify(release.manifest));
    const before = readdirSync(home);
    const given = words.map((word) => (word === "PRIVATE" ? written("id", generateKey().privateKey) : word));
    const from = ["--mirror", server.url, "--manifest", manifest];
    for (const [command, first] of [
      [createCommand, []],
      [startCommand, ["codex"]],
    ] as const) {
      const error = await failure(command, [...first, ...from, ...given]);
      expect(error).toBeInstanceOf(PipelineError);
      expect(error.message).toMatch(message);
    }
    expect(server.requests).toEqual([]);
    expect(readdirSync(home).filter((name) => name !== "id")).toEqual(before);
  });

  it("is refused before anything is fetched where the image does not fit on the disk", async () => {
    const server = await FileServer.start();
    const release = new ReleaseFiles("https://github.com/example/images/releases/download");
    for (const [name, bytes] of release.files) server.files.set(`/${name}`, bytes);
    const manifest = written("manifest.json", JSON.stringify(release.manifest));
    const words = ["codex", "--mirror", server.url, "--manifest", manifest, "--disk", "2M"];
    expect((await failure(startCommand, words)).message).toBe(
      "--disk 2M is smaller than the image (3M): give at least 3M, or omit --disk",
    );
    expect(server.requests).toEqual([]);
  });

  it("is refused where a machine of that name is there already", async () => {
    await claim("work");
    await expect(checkStartOptions({ name: "work", arch: "amd64", vmm: "qemu" })).rejects.toThrow(
      "a machine named work is starting: choose another --name",
    );
  });

  it.each([
    [{ memoryMib: 63 }, "--memory 63 MiB is not valid: give a whole number from 64 to 1048576"],
    [{ memoryMib: 512.5 }, "--memory 512.5 MiB"],
    [{ cpus: 0 }, "--cpus 0 is not valid: give a whole number from 1 to 64"],
    [{ cpus: 65 }, "--cpus 65"],
    [{ diskMib: -1 }, "--disk -1 MiB"],
    [{ diskMib: Number.NaN }, "--disk NaN MiB"],
  ])("by the library: %j is out of bounds", async (options, message) => {
    await expect(checkStartOptions({ arch: "amd64", vmm: "qemu", ...options })).rejects.toThrow(message);
  });

  it("is allowed, with the key's text", async () => {
    const { publicKey } = generateKey();
    const key = written("my key.pub", `${publicKey} me@here\n`);
    const options = {
      name: "work",
      arch: "amd64",
      vmm: "qemu",
      key,
      cpus: 64,
      memoryMib: 64,
      diskMib: 16777216,
    };
    expect(await checkStartOptions(options as never)).toBe(`${publicKey} me@here`);
  });
});

it("`smolvm pull` says how much it fetched of an image that others in the cache have parts of", () => {
  expect(downloaded("codex", undefined)).toBe("downloaded");
  expect(downloaded("codex", { fetched: 84e6, size: 200e6 })).toBe(
    "codex: 84 MB of 200 MB fetched, the rest copied from cached images",
  );
});

it("the parts of a start add up to its total, with what is none of them", () => {
  const local = { timings: { lookupMs: 40, downloadMs: 2000, finishMs: 300 } };
  expect(timings(local, { bootMs: 1500, readyMs: 400 }, 9240)).toBe(
    [
      ...["lookup                0.04 s", "download              2.00 s", "verify+decompress     0.30 s"],
      ...["boot                  1.50 s", "ready                 0.40 s", "other                 5.00 s"],
      "total                 9.24 s\n",
    ].join("\n"),
  );
});

describe("a number on the command line", () => {
  const prune = () => releaseCommand.commands.find((each) => each.name() === "prune")!;
  it.each<[string, () => Command, string[], string]>([
    ["--level", () => cellCommand, ["x", "--level"], "Expected a whole number from 1 to 19."],
    ["--boot-timeout", () => cellCommand, ["x", "--boot-timeout"], "Expected a whole number from 1 to 3600."],
    ["--cpus", () => createCommand, ["--cpus"], "Expected a whole number from 1 to 64."],
    ["--memory", () => createCommand, ["--memory"], "Expected a size from 64M to 1024G, such as 512M or 2G."],
    ["--disk", () => createCommand, ["--disk"], "Expected a size from 1M to 16384G, such as 512M or 2G."],
    ["--older-than", () => pruneCommand, ["--older-than"], "Expected a whole number from 0 to 9999."],
    ["--keep", prune, ["--keep"], "Expected a whole number from 0 to 1000."],
  ])(
    "%s is plain digits between bounds, which the error and the help say",
    async (_, command, words, rule) => {
      for (const value of [
        "1e1",
        "0x3",
        " 3",
        "3 ",
        "+3",
        "-1",
        "1.5",
        "",
        "٣",
        "99999999",
        "999999999999999999999",
      ]) {
        const error = await failure(command(), [...words, value]);
        expect([value, error.code]).toEqual([value, "commander.invalidArgument"]);
        expect(error.message).toContain(`argument '${value}' is invalid. ${rule}`);
      }
      const [, least, most] = /from (\w+) to (\w+)/.exec(rule)!;
      expect(command().helpInformation()).toMatch(new RegExp(`${least}-${most}|at most ${most}`));
    },
  );

  it.each(["abc", "-1", "1e9", "4294967296", "99999999999999999999", " "])(
    "SOURCE_DATE_EPOCH=%j is refused, with its bounds",
    async (value) => {
      vi.stubEnv("SOURCE_DATE_EPOCH", value);
      vi.spyOn(process, "cwd").mockReturnValue(sampleCheckout());
      expect((await failure(cellCommand, ["codex-amd64-debian"])).message).toBe(
        `SOURCE_DATE_EPOCH is "${value}", which is not a number of seconds since 1970 from 0 to 4294967295: set it to such a number, or unset it`,
      );
    },
  );
});

describe("flags that contradict each other", () => {
  it.each<[Command, string[]]>([
    [synthCommand, ["--check", "--stdout"]],
    [releaseCommand, ["publish", "--partial", "--final"]],
  ])("are refused: %#", async (command, words) => {
    expect((await failure(command, words)).code).toBe("commander.conflictingOption");
  });

  it.each([
    [
      ["--stage", "verify", "--no-cache"],
      "--no-cache has no effect with --stage verify: omit one of the two",
    ],
    [["--stage", "verify", "--record"], "--record has no effect with --stage verify: omit one of the two"],
    [
      ["--stage", "container", "--level", "3"],
      "--level has no effect with --stage container: omit one of the two",
    ],
    [
      // Frames have a level.
      ["--stage", "container", "--level", "3", "--frames"],
      "codex-amd64-debian has no stage container",
    ],
    [
      ["--stage", "container", "--record"],
      "--record has no effect with --stage container: omit one of the two",
    ],
    [
      ["--stage", "container"],
      "codex-amd64-debian has no stage container, which is only for base-<arch>-<flavor>: name only such cells, or omit --stage",
    ],
    [["--stage", "upload", "--level", "3"], "--level has no effect with --stage upload: omit one of the two"],
    [
      ["--stage", "upload", "--kernel", "x"],
      "--kernel has no effect with --stage upload: omit one of the two",
    ],
    [
      ["--stage", "build", "--store", "github"],
      "--store github is only for uploads, and --stage build uploads nothing: omit one of the two",
    ],
    [["--stage", "build", "--frames"], "--frames has no effect without --stage container: omit it"],
    [["--release-id", "5"], "--release-id is only for uploads: add --store github or --stage upload"],
    [["--initrd", "x"], "--initrd is given without --kernel: add --kernel PATH"],
    [
      ["--kernel", "/"],
      'there is no file "/": give the path of a kernel to --kernel, and of a ramdisk to --initrd',
    ],
    [["--kernel", ""], 'there is no file "": give the path'],
    [["--bases", "/dev/null"], "--bases /dev/null is a file: give a directory"],
    [
      ["--rootfs", "/nowhere"],
      "--rootfs /nowhere: there is no such file: give the path of a tarball, or an http(s) address",
    ],
    [["--rootfs", "/"], "--rootfs /: there is no such file"],
    [["--rootfs", "ftp://x/y"], '--rootfs "ftp://x/y" begins with ftp:, which is not supported'],
    [["--rootfs", "http://"], '--rootfs "http://" is not an address'],
    [
      ["--extra-ca", "/"],
      "cannot read the extra CA / (it is a directory): set NODE_EXTRA_CA_CERTS or --extra-ca to a PEM file",
    ],
    [
      ["--apt-mirror", "ftp://x"],
      'mirror "ftp://x" is not an address that can be used: give one that begins with http:// or https://',
    ],
    [["--store", "github"], "GITHUB_TOKEN is not set"],
  ])("or are wrong are refused before anything is built: %j", async (words, message) => {
    const root = sampleCheckout();
    vi.spyOn(process, "cwd").mockReturnValue(root);
    expect((await failure(cellCommand, ["codex-amd64-debian", ...words])).message).toContain(message);
    expect(existsSync(join(root, "out/cache"))).toBe(false);
  });
});

describe("KVM for a guest of another arch", () => {
  const cell = `codex-${hostArch() === "amd64" ? "arm64" : "amd64"}-debian`;
  beforeEach(() => void vi.spyOn(process, "cwd").mockReturnValue(sampleCheckout()));

  it("is refused before anything is built", async () => {
    expect((await failure(cellCommand, [cell, "--accel", "kvm"])).message).toMatch(
      /^KVM cannot run this guest: it is /,
    );
  });

  it.each([[["--accel", "tcg"]], [["--accel", "kvm", "--stage", "build"]]])(
    "is not what stops a build with %j",
    async (words) => {
      expect((await failure(cellCommand, [cell, ...words])).message).toMatch(/^Docker is /);
    },
  );
});

describe("a variable of the environment", () => {
  it.each(["foo", "http://", "socks5://127.0.0.1:1", "://", "me:secret@proxy:3128"])(
    "that names no proxy is refused without showing it: %s",
    (value) => {
      vi.stubEnv("HTTPS_PROXY", value);
      expect(() => proxiedFetch(1000)).toThrow(
        /^HTTPS_PROXY does not hold the http\(s\) address of a proxy: set it to http:\/\/HOST:PORT, or unset it$/,
      );
    },
  );

  it.each([
    [{ DOCKER_HOST: "tcp://:abc" }, "something like tcp://localhost:1234"],
    [
      { DOCKER_HOST: "tcp://127.0.0.1:1", DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: "/nowhere" },
      "no such file or directory",
    ],
  ])("that names no Docker is refused: %j", async (env, reason) => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    const error = await connect().catch((caught) => caught);
    expect(error).toBeInstanceOf(PipelineError);
    expect(error.message).toMatch(
      /^DOCKER_HOST, DOCKER_CERT_PATH or DOCKER_TLS_VERIFY is not valid \(.+\): unset them/,
    );
    expect(error.message).toContain(reason);
  });

  it.each([
    ["is not there", () => join(home, "x"), "no such file or directory"],
    ["is a directory", () => home, "it is not a file"],
  ])("of Actions whose file %s is refused before any work", (_, path, reason) => {
    vi.stubEnv("GITHUB_OUTPUT", path());
    expect(checkActionsFiles).toThrow(
      `GITHUB_OUTPUT is ${path()}, which cannot be written (${reason}): unset it, or create the file`,
    );
    vi.stubEnv("GITHUB_OUTPUT", written("output", ""));
    expect(checkActionsFiles).not.toThrow();
  });

  it.each(["a\nb", "ä", "a b"])("that is no token is refused: %j", async (token) => {
    vi.stubEnv("GITHUB_TOKEN", token);
    vi.spyOn(process, "cwd").mockReturnValue(sampleCheckout());
    expect((await failure(releaseCommand, ["prepare", "--store", "github"])).message).toMatch(
      /^GITHUB_TOKEN contains a space, a line break or a character that no token has/,
    );
  });
});

it.each(["", "../../x", "a b", "-x/y"])("a tag that can be none is refused: %j", async (tag) => {
  mkdirSync(join(home, "out"));
  expect((await failure(releaseCommand, ["verify", "--", tag])).message).toBe(
    `"${tag}" is not a valid tag: use letters, digits, ".", "_" and "-"`,
  );
});
