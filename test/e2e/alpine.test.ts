import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { App } from "../../pipeline/constructs/app.ts";
import { npm } from "../../pipeline/constructs/install.ts";
import { PresetLayer } from "../../pipeline/constructs/preset-layer.ts";
import { Release } from "../../pipeline/constructs/release.ts";
import { RootfsFacts } from "../../pipeline/schema/facts.ts";
import { generateKey, keyParameter, login, runCommand } from "../../pipeline/vm/ssh.ts";
import { ALPINE_TARBALL, alpineBase, hasAlpine, serveAlpine } from "../support/alpine.ts";
import { describeInit } from "../support/init-suite.ts";
import { testKernel } from "../support/kernel.ts";
import { startMachine } from "../support/machine.ts";
import { cli, Project } from "../support/project.ts";
import { serveDirectory } from "../support/serve.ts";

const BASE = "base-amd64-alpine";
const STORE = "out/release/alpine-test";

/** A guest agent that says how it was started, and runs until it is ended. */
const AGENT = "#!/bin/sh\necho agent $*\necho $$ >/run/agent.pid\nexec sleep 100000\n";
const AGENT_PATH = "/usr/local/bin/smolvm-guest-agent";

/** The published presets that need no Node, on an Alpine with what the test data has; its agent is fetched from `url`. */
const declareAlpine =
  (url: string, agent: string = AGENT) =>
  (app: App): void => {
    const release = new Release(app, "alpine", {
      tag: "alpine-test",
      repository: "example/images",
      archs: ["amd64"],
      vmms: ["qemu"],
      defaultFlavor: "alpine",
      newestFile: "2026-10-05T00:00:00Z",
    });
    testKernel(release, ["alpine"]);
    const sha256 = createHash("sha256").update(agent).digest("hex");
    alpineBase(release, { programs: [{ path: AGENT_PATH, files: { amd64: { url, sha256 } } }] });
    new PresetLayer(release, "codex", {
      install: npm("@openai/codex", { binary: "@openai/codex-linux-*/vendor/*/bin/codex" }),
      check: ["codex", "--version"],
      user: "node",
    });
    new PresetLayer(release, "claude-code", {
      install: npm("@anthropic-ai/claude-code", { binary: "@anthropic-ai/claude-code-linux-*/claude" }),
      check: ["claude", "--version"],
    });
  };

describe.runIf(hasAlpine)("alpine, on real musl and busybox", () => {
  let project: Project;
  let mirror: { server: Server; url: string };
  /** A release that has the agent. */
  let served: { server: Server; url: string };
  let directory: string;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "smolvm-programs-"));
    writeFileSync(join(directory, "agent"), AGENT);
    served = await serveDirectory(directory, /^\//);
    project = new Project(declareAlpine(`${served.url}/agent`));
    mirror = await serveAlpine();
  });
  afterAll(() => {
    mirror.server.close();
    served.server.close();
    rmSync(directory, { recursive: true, force: true });
    project.remove();
  });

  const cell = (...args: string[]) =>
    cli(project.root, ["cell", ...args, "--level", "1", "--apk-mirror", mirror.url]);
  const factsOf = (id: string): RootfsFacts => {
    const { cells } = JSON.parse(readFileSync(join(project.root, "out/cells.json"), "utf8"));
    const { assets } = cells.find((each: { id: string }) => each.id === id);
    return RootfsFacts.parse(
      JSON.parse(readFileSync(join(project.root, STORE, `${assets[0]}.json`), "utf8")),
    );
  };

  it("refuses a tarball that is not the expected one, with both hashes", async () => {
    const wrong = join(project.root, "wrong.tar.gz");
    writeFileSync(wrong, "not Alpine");
    // A hash that no earlier run can have imported: what Docker has by its hash is not read again.
    const expected = "0".repeat(64);
    const refused = await cell(BASE, "--rootfs", wrong, "--rootfs-sha256", expected);
    expect(refused.stderr).toMatch(/^error: base-amd64-alpine: .*wrong\.tar\.gz is not the expected file/m);
    const actual = createHash("sha256").update("not Alpine").digest("hex");
    expect(refused.stderr).toContain(`its sha256 is ${actual}, expected ${expected}`);
    expect(refused.exitCode).toBe(2);
  });

  it("refuses a program that is not the expected one, and says what cannot be fetched", async () => {
    const failed = async (url: string, agent: string) => {
      const other = new Project(declareAlpine(url, agent));
      try {
        return await cli(other.root, ["cell", BASE, "--stage", "build", "--apk-mirror", mirror.url]);
      } finally {
        other.remove();
      }
    };
    const wrong = await failed(`${served.url}/agent`, "another program");
    expect(wrong.stderr).toMatch(/^error: base-amd64-alpine: http\S+\/agent is not the expected file: /m);
    expect(wrong.stderr).toContain(
      `check the address and the sha256 of ${AGENT_PATH} in the base's programs`,
    );
    const missing = await failed(`${served.url}/none`, "what nobody has");
    expect(missing.stderr).toMatch(
      /^error: base-amd64-alpine: \/usr\/local\/bin\/smolvm-guest-agent: cannot fetch http\S+\/none: HTTP 404/m,
    );
    expect([wrong.exitCode, missing.exitCode]).toEqual([2, 2]);
  });

  it("says how large the disk must be when the image does not fit, and leaves nothing", async () => {
    const path = join(project.root, "out/cells.json");
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.replaceAll('"disk_mib": 1024', '"disk_mib": 8'));
    const failed = await cell(BASE, "--stage", "build");
    writeFileSync(path, text);
    expect(failed.stderr).toMatch(
      /does not fit into 8 MiB; it needs about \d+ MiB: raise diskMib of the alpine base/,
    );
    expect(failed.exitCode).toBe(2);
    expect(readdirSync(join(project.root, "out/images"))).toEqual([]);
  });

  it("builds the base from the tarball and signed packages, at the level of a release", async () => {
    const built = await cli(project.root, ["cell", BASE, "--stage", "build", "--apk-mirror", mirror.url]);
    expect(built.exitCode, built.stderr).toBe(0);
    const facts = JSON.parse(readFileSync(join(project.root, "out/images", BASE, "build.json"), "utf8"));
    expect(facts).toMatchObject({ zstd_level: 19 });
    expect(facts.source).toContain(ALPINE_TARBALL.sha256);
  });

  it("boots codex and claude without Node, and answers with their locked versions", async () => {
    const staged = await cell("codex-amd64-alpine", "claude-code-amd64-alpine");
    expect(staged.exitCode, staged.stderr).toBe(0);
    expect(factsOf("codex-amd64-alpine").boot.check?.output).toMatch(/^codex-cli \d/);
    expect(factsOf("claude-code-amd64-alpine").boot.check?.output).toMatch(/^\d.*\(Claude Code\)$/);
    const { packages } = factsOf("codex-amd64-alpine");
    expect(packages).toContainEqual(expect.objectContaining({ type: "apk", name: "musl" }));
    expect(packages.filter(({ name }) => name === "nodejs")).toEqual([]);
  });

  it("refuses an image that holds the address of the build's mirror", async () => {
    // Planted where a careless recipe would leave it.
    const dockerfile = join(project.root, "dockerfiles/base-alpine.Dockerfile");
    const text = readFileSync(dockerfile, "utf8");
    writeFileSync(dockerfile, `${text}RUN cat /tmp/network/repositories > /etc/apk/repositories\n`);
    const refused = await cell(BASE, "--stage", "build", "--no-cache");
    writeFileSync(dockerfile, text);
    expect(refused.stderr).toMatch(
      /^error: base-amd64-alpine: the audit refuses base-amd64-alpine: 1 findings/m,
    );
    expect(refused.stderr).toContain("- etc/apk/repositories holds the address of a mirror");
    expect(refused.exitCode).toBe(2);
  });

  describe("what must not be published is refused by name, when it is planted", () => {
    /** Builds the base with a line more in its Dockerfile, which may copy `file` in; says why that was refused. */
    const refusal = async (line: string, args: readonly string[], file?: string) => {
      const dockerfile = join(project.root, "dockerfiles/base-alpine.Dockerfile");
      const cells = join(project.root, "out/cells.json");
      const [recipe, declared] = [dockerfile, cells].map((path) => readFileSync(path, "utf8"));
      writeFileSync(dockerfile, `${recipe}${line}\n`);
      if (file) writeFileSync(cells, declared!.replaceAll('"init/init",', `"init/init", "${file}",`));
      const refused = await cell(BASE, "--no-cache", ...args);
      writeFileSync(dockerfile, recipe!);
      writeFileSync(cells, declared!);
      expect(refused.exitCode).toBe(2);
      return refused.stderr;
    };
    const BUILD = ["--stage", "build"];

    it.each([
      [
        "a builder's file",
        "RUN touch /opt/mine && chown 1000:1000 /opt/mine",
        "- opt/mine is owned by 1000:1000, which is not an account of the image",
      ],
      [
        "a setuid program",
        "RUN cp /bin/busybox /bin/rooted && chmod 4755 /bin/rooted",
        "- bin/rooted is setuid or setgid (mode 4755)",
      ],
      [
        "a file for everybody",
        "RUN touch /etc/open && chmod 666 /etc/open",
        "- etc/open can be written by every user (mode 666)",
      ],
      [
        "a glibc program",
        "COPY glibc-program /usr/bin/agent\nRUN chmod 755 /usr/bin/agent",
        "- usr/bin/agent needs /lib64/ld-linux-x86-64.so.2, which the image does not have (it is built for glibc)",
      ],
      [
        "a key to log in with",
        "RUN mkdir -p /root/.ssh && touch /root/.ssh/authorized_keys",
        "- root/.ssh/authorized_keys is an SSH key of a user",
      ],
      [
        "an account without a password",
        "RUN sed -i 's/^root:x:/root::/' /etc/passwd",
        "- etc/passwd lets root log in without a password",
      ],
    ])("%s", async (_, line, finding) => {
      // The host's own program, which is Debian's.
      const file = line.startsWith("COPY") ? "glibc-program" : undefined;
      if (file) copyFileSync("/bin/true", join(project.root, file));
      const said = await refusal(line, BUILD, file);
      expect(said).toMatch(/^error: base-amd64-alpine: the audit refuses base-amd64-alpine: \d+ findings/m);
      expect(said).toContain(finding);
    });

    it("a server that listens in the booted guest", async () => {
      const said = await refusal(
        "RUN sed -i 's|^  stage sshd-start$|  nc -lk -p 8080 -e true \\& stage sshd-start|' /init",
        [],
      );
      expect(said).toContain("error: base-amd64-alpine: the audit refuses the booted guest: 2 findings");
      expect(said).toContain("- something listens on tcp port 8080");
      expect(said).toContain('- a process "nc" runs');
    });

    it("an image over its budget, with its largest files", async () => {
      const path = join(project.root, "out/cells.json");
      const text = readFileSync(path, "utf8");
      writeFileSync(
        path,
        text.replaceAll('"budget": null', '"budget": { "content": 1000000, "asset": 1000000 }'),
      );
      const failed = await cell(BASE, ...BUILD);
      writeFileSync(path, text);
      expect(failed.stderr).toMatch(
        /^error: base-amd64-alpine: its files take [\d.]+ MB, but the budget is 1\.0 MB: /m,
      );
      expect(failed.stderr).toMatch(/^- +[\d.]+ MB {2}\S*libcrypto/m);
      expect(failed.exitCode).toBe(2);
    });

    it("another version than the recorded one", async () => {
      const recorded = await cell(BASE, ...BUILD, "--record");
      expect(recorded.exitCode, recorded.stderr).toBe(0);
      const path = join(project.root, `listings/${BASE}.json`);
      const text = readFileSync(path, "utf8");
      writeFileSync(path, text.replace(/"apk musl \S+"/, '"apk musl 1.2.4-r0"'));
      const failed = await cell(BASE, ...BUILD);
      writeFileSync(path, text);
      expect(failed.stderr).toContain(
        "apk resolved other versions than those in listings/base-amd64-alpine.json",
      );
      expect(failed.stderr).toMatch(/^- recorded: apk musl 1\.2\.4-r0\n- resolved: apk musl 1\.2\.4_git/m);
      expect(failed.exitCode).toBe(2);
      // And what agrees with the record is as declared.
      project.synth();
      const agreed = await cell(BASE, ...BUILD);
      expect(agreed.exitCode, agreed.stderr).toBe(0);
      const facts = JSON.parse(readFileSync(join(project.root, "out/images", BASE, "build.json"), "utf8"));
      expect(facts.overrides).not.toContain("apk=unrecorded");
    });
  });

  it("has the same bytes when another user builds it, under another umask, host name, time zone and locale", async () => {
    const facts = (root: string) =>
      JSON.parse(readFileSync(join(root, "out/images", BASE, "build.json"), "utf8"));
    const elsewhere = new Project(declareAlpine(`${served.url}/agent`));
    try {
      const socket = statSync("/var/run/docker.sock");
      spawnSync("chown", ["-R", "12345:12345", elsewhere.root]);
      const args = [
        "cell",
        BASE,
        "--stage",
        "build",
        "--no-cache",
        "--level",
        "1",
        "--apk-mirror",
        mirror.url,
      ];
      const again = await cli(elsewhere.root, args, {
        env: { TZ: "Pacific/Auckland", LC_ALL: "C", HOME: elsewhere.root, NO_UPDATE_NOTIFIER: "1" },
        within: [
          ...["unshare", "--uts", "sh", "-ec", 'hostname elsewhere; umask 077; exec "$@"', "sh"],
          ...["setpriv", "--reuid=12345", "--regid=12345", `--groups=${socket.gid}`],
        ],
      });
      expect(again.exitCode, again.stderr).toBe(0);
      const here = await cell(BASE, "--stage", "build", "--no-cache");
      expect(here.exitCode, here.stderr).toBe(0);
      expect(facts(elsewhere.root).image_sha256).toBe(facts(project.root).image_sha256);
    } finally {
      elsewhere.remove();
    }
  });

  it("is built twice from nothing with the same bytes, and what a clock leaves is named", async () => {
    const repro = () => cli(project.root, ["repro", BASE, "--apk-mirror", mirror.url]);
    const same = await repro();
    expect(same.exitCode, same.stderr).toBe(0);
    expect(JSON.parse(same.stdout)[0]).toMatchObject({ id: BASE, same: true, differences: [] });

    const dockerfile = join(project.root, "dockerfiles/base-alpine.Dockerfile");
    const text = readFileSync(dockerfile, "utf8");
    writeFileSync(dockerfile, `${text}RUN cat /proc/uptime > /etc/motd\n`);
    const differs = await repro();
    writeFileSync(dockerfile, text);
    expect(differs.stderr).toMatch(/^base-amd64-alpine: the two builds differ$/m);
    expect(differs.stderr).toMatch(
      /^ {2}- etc\/motd: content [0-9a-f]{16} in the first, [0-9a-f]{16} in the second$/m,
    );
    expect(differs.exitCode).toBe(1);
  });

  it("keeps the base of the build stage while all that went wrong", () => {
    expect(existsSync(join(project.root, "out/images", BASE, "rootfs.ext4"))).toBe(true);
  });

  it("starts the guest agent of an image, and starts it again when it has ended", async () => {
    const key = generateKey();
    const machine = await startMachine({
      ...{ arch: "amd64", disk: join(project.root, "out/images", BASE, "rootfs.ext4") },
      ...{ ...project.kernel("amd64"), cmdline: [keyParameter(key.publicKey)] },
      consoleLog: join(directory, "console"),
    });
    try {
      const patience = AbortSignal.timeout(240_000);
      const client = await login(machine.address!, key, patience);
      const output = async (script: string) =>
        (await runCommand(client, ["sh", "-c", script], patience)).output;
      expect(await output("cat /var/log/smolvm-agent.log")).toBe("agent --listen vsock://1024\n");
      await output(
        'old=$(cat /run/agent.pid); kill $old; while [ "$(cat /run/agent.pid)" = $old ]; do sleep 0.1; done',
      );
      expect(await output("grep -c vsock /var/log/smolvm-agent.log")).toBe("2\n");
      const reports = machine.console.text.match(/SMOLVM_ERR smolvm-guest-agent ended with exit code \d+;/g);
      expect(reports).toHaveLength(1);
      expect(machine.console.text.indexOf("guest-agent-start ")).toBeLessThan(
        machine.console.text.indexOf("net-config-start "),
      );
      client.end();
    } finally {
      await machine.destroy();
    }
  });

  it("keeps its file system whole when the machine is cut off", async () => {
    const disk = join(directory, "disk.ext4");
    copyFileSync(join(project.root, "out/images", BASE, "rootfs.ext4"), disk);
    const key = generateKey();
    const machine = await startMachine({
      ...{ arch: "amd64", disk, writes: "image", ...project.kernel("amd64") },
      ...{ cmdline: [keyParameter(key.publicKey)], consoleLog: join(directory, "console-cut") },
    });
    try {
      const patience = AbortSignal.timeout(240_000);
      const client = await login(machine.address!, key, patience);
      client.on("error", () => {});
      // Directories that come, move and go until the power is cut; metadata reaches the disk every second.
      const churn = [
        "mount -o remount,commit=1 /",
        "(while :; do cp -r /etc /workspace/a; mv /workspace/a /workspace/b.$$; rm -r /workspace/b.$$; done) >/dev/null 2>&1 &",
        "for n in 1 2 3 4 5 6 7 8; do ls -R /workspace >/dev/null 2>&1; sync; done",
      ].join("; ");
      await runCommand(client, ["sh", "-c", churn], patience);
    } finally {
      await machine.destroy();
    }
    const replayed = spawnSync("/sbin/e2fsck", ["-p", disk], { encoding: "utf8" });
    expect([0, 1], replayed.stdout + replayed.stderr).toContain(replayed.status);
    expect(replayed.stdout).toContain("recovering journal");
    const checked = spawnSync("/sbin/e2fsck", ["-fn", disk], { encoding: "utf8" });
    expect(checked.status, checked.stdout).toBe(0);
  });

  describeInit("busybox userland (alpine)", () => ({
    disk: join(project.root, "out/images", BASE, "rootfs.ext4"),
    kernel: project.kernel("amd64"),
  }));
});
