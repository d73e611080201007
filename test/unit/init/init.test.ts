import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { REPOSITORY } from "../../support/project.ts";
import { tempDirectory } from "../../support/run.ts";

const INIT = join(REPOSITORY, "init/init");

/** The shells that are `/bin/sh` in the images: Debian's and Ubuntu's, and Alpine's. */
const SHELLS = ["dash", "busybox ash"];

describe.each(SHELLS)("/init under %s", (shell) => {
  const [program = "", ...applet] = shell.split(" ");
  // Ubuntu has busybox; on Debian scripts/setup.sh installs it.
  const present = !spawnSync(program, [...applet, "-c", "true"]).error;
  if (!present) console.warn(`${program} is not installed: /init is not tested with it here.`);
  const test = it.runIf(present);

  /** Runs `script` with the functions of /init; its files are in `directory`. */
  const run = (script: string, { cmdline = "", directory = tempDirectory() } = {}) => {
    const setting = [
      `. ${INIT}`,
      `cmdline="${cmdline}"`,
      `D=${directory}`,
      'RESOLV_CONF=$D/resolv.conf MILESTONES="$D/a.jsonl $D/b.jsonl" AGENT=$D/agent AGENT_LOG=$D/agent.log',
      "CONSOLE=$D/console KERNEL_LOG=$D/kmsg RTC=$D/rtc NETWORK_HOOK=$D/hook",
      "ROUTES=$D/route ADDRESSES=$D/fib_trie HOST_KEY=$D/host_key AUTHORIZED_KEYS=$D/.ssh/authorized_keys",
    ];
    const { stdout, stderr, status } = spawnSync(
      program,
      [...applet, "-c", [...setting, script].join("\n")],
      {
        encoding: "utf8",
      },
    );
    const read = (name: string) => {
      const path = join(directory, name);
      return existsSync(path) ? readFileSync(path, "utf8") : undefined;
    };
    return { stdout, stderr, status, read };
  };

  describe("the console", () => {
    const said = "open_console; echo words; echo more >&2; exit 7";

    test("takes what is said", () => {
      const directory = tempDirectory();
      writeFileSync(join(directory, "console"), "");
      const { read, status } = run("open_console; echo words", { directory });
      expect([read("console"), status]).toEqual(["words\n", 0]);
    });

    test.each(["is missing", "cannot be opened"])("is the kernel's log, if the node %s", async (state) => {
      const directory = tempDirectory();
      // A socket is like the node of a machine without a console: it is there, and opening it fails.
      if (state === "cannot be opened") {
        const server = createServer();
        await new Promise<void>((listening) => server.listen(join(directory, "console"), listening));
        onTestFinished(() => void server.close());
      }
      writeFileSync(join(directory, "kmsg"), "");
      const { read, status } = run(said, { directory });
      expect([read("kmsg"), status]).toEqual(["words\nmore\n", 7]);
      expect(existsSync(join(directory, "console"))).toBe(state === "cannot be opened");
    });

    test("goes nowhere without a kernel's log, and the shell goes on", () => {
      const directory = tempDirectory();
      mkdirSync(join(directory, "kmsg"));
      expect(run(said, { directory })).toMatchObject({ status: 7, stdout: "", stderr: "" });
    });
  });

  test("a mark is a line on the console and an object in both files", () => {
    const { stdout, read } = run("stage init-start; stage mounts-ready");
    const [, epoch, uptime] =
      /^SMOLVM_TS stage=init-start epoch_s=(\d+) uptime_s=(\d+\.\d\d)$/m.exec(stdout) ?? [];
    expect(Math.abs(Number(epoch) - Date.now() / 1000)).toBeLessThan(60);
    const lines = read("a.jsonl")!.trimEnd().split("\n");
    expect(JSON.parse(lines[0]!)).toEqual({
      stage: "init-start",
      epoch_s: Number(epoch),
      uptime_s: Number(uptime),
    });
    expect(JSON.parse(lines[1]!)).toMatchObject({ stage: "mounts-ready" });
    expect(read("b.jsonl")).toBe(read("a.jsonl"));
  });

  describe("name servers", () => {
    const FALLBACK = ["8.8.8.8", "8.8.4.4"];
    const bad = (option: string, text: string) =>
      `SMOLVM_ERR ${option}: "${text}" is not the address of a name server\n`;

    test.each<[string, string, string, string[], string]>([
      ["those of ip=", "", "ip 10.0.0.1 10.0.0.2 10.0.0.3", ["10.0.0.2", "10.0.0.3"], ""],
      ["the gateway and two public ones, without any", "", "ip 10.0.0.1", ["10.0.0.1", ...FALLBACK], ""],
      ["two public ones, without a gateway", "", "ip ''", FALLBACK, ""],
      [
        "those of smolvm.dns=, whatever else is given",
        "smolvm.dns=1.1.1.1",
        "ip 10.0.0.1 9.9.9.9",
        ["1.1.1.1"],
        "",
      ],
      [
        "all of smolvm.dns=, also IPv6",
        "quiet smolvm.dns=1.1.1.1,2001:db8::1 rw",
        "dhcp 10.0.0.1 9.9.9.9",
        ["1.1.1.1", "2001:db8::1"],
        "",
      ],
      [
        "what is an address of smolvm.dns=",
        "smolvm.dns=nobody,1.1.1.1,1::2::3,300.1.1.1",
        "ip 10.0.0.1",
        ["1.1.1.1"],
        bad("smolvm.dns", "nobody") + bad("smolvm.dns", "1::2::3") + bad("smolvm.dns", "300.1.1.1"),
      ],
      [
        "the next source, if one has no address",
        "smolvm.dns=*",
        "ip 10.0.0.1 x",
        ["10.0.0.1", ...FALLBACK],
        bad("smolvm.dns", "*") + bad("ip", "x"),
      ],
      ["not the host's, for an empty smolvm.dns=", "smolvm.dns=", "ip '' 9.9.9.9", ["9.9.9.9"], ""],
    ])("%s", (_, cmdline, call, servers, errors) => {
      const { stdout, read } = run(`set -f; resolve_with ${call}; set -- a:b; echo $#`, { cmdline });
      expect(read("resolv.conf")).toBe(servers.map((each) => `nameserver ${each}\n`).join(""));
      expect(stdout).toBe(`${errors}1\n`);
    });

    test("that cannot be written are one line, and the shell goes on", () => {
      const { stdout, stderr } = run("RESOLV_CONF=$D/none/resolv.conf; resolve_with ip 10.0.0.1; echo on");
      expect(stdout).toMatch(/^SMOLVM_ERR \S+\/none\/resolv\.conf cannot be written\non\n$/);
      expect(stderr).toBe("");
    });

    test("an ip= as SmolVM sends it has an address, a route and name servers", () => {
      const { stdout, read } = run(
        "ip() { echo ip $*; }; configure_network 172.16.0.2::172.16.0.1:255.255.255.252::lo:off",
      );
      expect(stdout).toBe(
        [
          "ip link set lo up",
          "ip addr add 172.16.0.2/30 dev lo",
          "ip route replace default via 172.16.0.1 dev lo\n",
        ].join("\n"),
      );
      expect(read("resolv.conf")).toBe("nameserver 172.16.0.1\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n");
    });
  });

  describe("a network that the kernel has configured", () => {
    /** /proc/net/route and /proc/net/fib_trie of a machine with 10.0.2.15/24 on eth0 and the gateway 10.0.2.2. */
    const ROUTE = [
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
      "eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0",
      "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
    ].join("\n");
    const ADDRESSES = [
      "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST",
      "        |-- 10.0.2.0\n           /24 link UNICAST\n        |-- 10.0.2.15\n           /32 host LOCAL",
      "     |-- 10.0.2.255\n        /32 link BROADCAST\n",
    ].join("\n");

    test.each([
      ["as it is asked for", "10.0.2.15::10.0.2.2:255.255.255.0", 0],
      ["without a gateway", "10.0.2.15:::255.255.255.0", 0],
      ["with another address", "10.0.2.16::10.0.2.2:255.255.255.0", 3],
      ["with a broadcast's address", "10.0.2.255::10.0.2.2:255.255.255.0", 3],
      ["with another netmask", "10.0.2.15::10.0.2.2:255.255.0.0", 3],
      ["with another gateway", "10.0.2.15::10.0.2.3:255.255.255.0", 3],
      ["on another device", "10.0.2.15::10.0.2.2:255.255.255.0::eth1", 3],
      ["on a device that is down", "10.0.2.15::10.0.2.2:255.255.255.0::down", 3],
    ])("%s takes so many commands: %s, %i", (_, ip, commands) => {
      const directory = tempDirectory();
      for (const [device, flags] of [
        ["eth0", "0x1043\n"],
        ["eth1", "0x1043\n"],
        ["down", "0x1002\n"],
      ] as const) {
        mkdirSync(join(directory, "net", device), { recursive: true });
        writeFileSync(join(directory, "net", device, "flags"), flags);
      }
      writeFileSync(join(directory, "route"), ip.endsWith("down") ? ROUTE.replaceAll("eth0", "down") : ROUTE);
      writeFileSync(join(directory, "fib_trie"), ADDRESSES);
      const { stdout } = run(`NETWORK_DEVICES=$D/net; ip() { echo ip; }; configure_network ${ip}`, {
        directory,
      });
      expect(stdout).toBe("ip\n".repeat(commands));
    });
  });

  describe("smolvm.network=guest", () => {
    const IP = "ip() { echo ip $*; }";

    test.each([
      [
        "bound",
        [
          "ip addr flush dev lo",
          "ip link set lo up",
          "ip addr add 10.9.0.5/16 dev lo",
          "ip route replace default via 10.9.0.1 dev lo",
        ],
        "nameserver 10.9.0.2\nnameserver 10.9.0.3\n",
      ],
      ["deconfig", ["ip addr flush dev lo"], undefined],
      ["leasefail", [], undefined],
    ])("a lease that is %s", (event, commands, servers) => {
      const lease = 'interface=lo ip=10.9.0.5 mask=16 router="10.9.0.1 10.9.0.9" dns="10.9.0.2 10.9.0.3"';
      const { stdout, read } = run(`${IP}; ${lease}; dhcp_event ${event}`);
      expect(stdout).toBe(commands.map((each) => `${each}\n`).join(""));
      expect(read("resolv.conf")).toBe(servers);
    });

    test("an image's own script is used instead of DHCP", () => {
      const directory = tempDirectory();
      writeFileSync(join(directory, "hook"), "#!/bin/sh\necho hook $*\nexit 3\n", { mode: 0o755 });
      expect(run("guest_network eth0 || echo failed", { directory }).stdout).toBe(
        `hook eth0\nSMOLVM_ERR smolvm.network: ${directory}/hook failed\nfailed\n`,
      );
    });

    test.each([
      ["no device", "eth77", "there is no network device eth77"],
      ["no DHCP client", "lo", "this image has no DHCP client (udhcpc); no network is configured"],
    ])("%s is one line", (_, device, why) => {
      const { stdout } = run(`command() { return 1; }; ${IP}; guest_network ${device} || echo failed`);
      expect(stdout).toBe(`SMOLVM_ERR smolvm.network: ${why}\nfailed\n`);
    });

    test("is not brought up without being asked for", () => {
      const ask = "guest_network() { echo dhcp; }; configure_network() { echo static; }; bring_up_network";
      const asked = (cmdline: string) => run(`${IP}; NETWORK_DEVICES=$D/none; ${ask}`, { cmdline }).stdout;
      expect(asked("quiet")).toBe("ip link set lo up\n");
      expect(asked("smolvm.network=guest ip=10.0.0.2::10.0.0.1:255.255.255.0::eth0:off")).toContain("dhcp");
      expect(asked("ip=dhcp")).toContain("dhcp");
      expect(asked("ip=10.0.0.2::10.0.0.1:255.255.255.0::eth0:off")).toContain("static");
    });
  });

  describe("smolvm.mount=", () => {
    const MOUNT = 'mount() { shift; echo "mount $*"; [ "$1" = "$works" ]; }';

    test.each([
      ["9p", "work:$D/x", ["mount 9p -o trans=virtio,version=9p2000.L,rw work $D/x"]],
      ["9p", "work:$D/x:ro", ["mount 9p -o trans=virtio,version=9p2000.L,ro work $D/x"]],
      [
        "virtiofs",
        "work:$D/x",
        ["mount 9p -o trans=virtio,version=9p2000.L,rw work $D/x", "mount virtiofs -o rw work $D/x"],
      ],
    ])("mounts by %s: %s", (works, share, commands) => {
      const directory = tempDirectory();
      const { stdout } = run(`${MOUNT}; works=${works}; mount_share "${share}"`, { directory });
      expect(stdout).toBe(commands.map((each) => `${each.replaceAll("$D", directory)}\n`).join(""));
    });

    test("a tag that is not there is one line", () => {
      const directory = tempDirectory();
      const cmdline = `smolvm.mount=gone:${directory}/x quiet smolvm.mount=work:${directory}/y`;
      const { stdout } = run('mount() { [ "$5" = work ]; }; mount_shares', { cmdline, directory });
      expect(stdout).toBe(
        `SMOLVM_ERR smolvm.mount: "gone" cannot be mounted on ${directory}/x: the host shares no directory with this tag, or it is in use\n`,
      );
    });

    test.each(["work", "work:", ":/x", "work:x", "work:/x:y:ro", ""])("%j is no tag and path", (share) => {
      const { stdout } = run(`${MOUNT}; mount_share "${share}"`);
      expect(stdout).toMatch(/^SMOLVM_ERR smolvm\.mount: ".*" is not a tag and an absolute path/);
      expect(stdout.split("\n")).toHaveLength(2);
    });
  });

  test.each([
    ...["::1", "2001:db8::1", "fe80::", "::", "1:2:3:4:5:6:7:8", "::ffff:10.0.0.1", "1:2:3:4:5:6:10.0.0.1"],
    ...["ABCD:ef01::9", "1::8", "::2:3:4:5:6:7:8"],
  ])("takes %s for an address of IPv6", (address) => {
    expect(run(`is_ipv6 ${address}`).status).toBe(0);
  });

  test.each([
    ...["aa:bb:cc:dd:ee:ff", "1:2:3", "12345::1", "1:2:3:4:5:6:7:8:9", "1::2::3", ":::", "1:2:3:4:5:6:7:"],
    ...[":1:2:3:4:5:6:7", "g::1", "1", "10.0.0.1"],
  ])("takes %s for no address of IPv6", (address) => {
    expect(run(`is_ipv6 ${address}`).status).toBe(1);
  });

  test.each([
    ["ip=dhcp", "eth0"],
    ["ip=::::box:eth1:dhcp", "eth1"],
    ["ip=:::::eth1:on:", "eth1"],
    ["ip=::::::any", "eth0"],
    ["ip=10.0.0.2::10.0.0.1:255.255.255.0::eth0:off smolvm.network=guest", "eth0"],
  ])("asks the network itself with %s", (cmdline, device) => {
    const { stdout } = run('ip() { :; }; guest_network() { echo "guest_network $1"; }; bring_up_network', {
      cmdline,
    });
    expect(stdout).toBe(`guest_network ${device}\n`);
  });

  test("answers a signal while the network's own script runs", () => {
    const directory = tempDirectory();
    // The script waits for the answer, and gives up after five seconds.
    const hook = [
      "#!/bin/sh",
      `cd ${directory}`,
      "kill -TERM $PPID",
      "n=0",
      "while [ ! -e answered ] && [ $n -lt 50 ]; do sleep 0.1; n=$((n + 1)); done",
      "[ -e answered ] || echo >late",
    ];
    writeFileSync(join(directory, "hook"), hook.join("\n"), { mode: 0o755 });
    const { status, read } = run("trap 'echo >$D/answered; exit 9' TERM; guest_network eth0", { directory });
    expect([status, read("answered"), read("late")]).toEqual([9, "\n", undefined]);
  });

  describe("a root file system that cannot be written", () => {
    const problemsOf = (script: string) => {
      const directory = tempDirectory();
      // Root may write everywhere; nobody writes below a file.
      writeFileSync(join(directory, "file"), "");
      const { stdout, stderr } = run(script, { directory });
      expect(stderr).toBe("");
      return stdout.replaceAll(directory, "D");
    };

    test("is said once of the key that is to be let in, which is a good one", () => {
      expect(problemsOf("AUTHORIZED_KEYS=$D/file/.ssh/authorized_keys; authorize $(echo key | base64)")).toBe(
        "SMOLVM_ERR D/file/.ssh/authorized_keys cannot be written; nobody can log in with the key of this boot\n",
      );
    });

    test("is said once of the host key", () => {
      expect(problemsOf("HOST_KEY=$D/file/ssh/key; make_host_key")).toBe(
        "SMOLVM_ERR no SSH host key could be made in D/file/ssh\n",
      );
    });

    test("does not keep the guest agent from being started", () => {
      const start = 'echo "echo started >$D/agent-ran" >$D/agent; chmod +x $D/agent';
      const said = problemsOf(
        `${start}; sleep() { exit 0; }; AGENT_LOG=$D/file/log; (keep_agent); cat $D/agent-ran`,
      );
      expect(said).toMatch(/^SMOLVM_ERR smolvm-guest-agent ended with exit code 0; .*\nstarted\n$/);
    });
  });

  describe("a key on the command line", () => {
    const ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0UuBTTVKuR1lBjVQGQtTVaXhcUJ0d5H1pOx1tL2cYw";
    const base64 = (text: string) => Buffer.from(text).toString("base64");
    /** With a program `ssh-keygen` that notes that it was asked, and refuses the key. */
    const authorize = (line: string) => {
      const directory = tempDirectory();
      mkdirSync(join(directory, "bin"));
      const asked = `#!/bin/sh\necho asked >${directory}/asked\nexit 1\n`;
      writeFileSync(join(directory, "bin/ssh-keygen"), asked, { mode: 0o755 });
      const { stdout, read } = run(`PATH=$D/bin:$PATH; authorize ${base64(line)}`, { directory });
      return { stdout, written: read(".ssh/authorized_keys"), asked: read("asked") };
    };

    test.each([ED25519, `${ED25519} somebody@somewhere`, `${ED25519}\n`])(
      "of type ed25519 is known by its text: %j",
      (line) => {
        expect(authorize(line)).toEqual({ stdout: "", written: line, asked: undefined });
      },
    );

    test.each([
      ED25519.slice(0, -1),
      `${ED25519}A`,
      ED25519.replace("J0UuB", "J0!uB"),
      "ssh-ed25519 AAAA",
      `from="10.0.0.1" ${ED25519}`,
      "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ",
    ])("of another form is for ssh-keygen to say: %j", (line) => {
      const { stdout, written, asked } = authorize(line);
      expect([written, asked]).toEqual([undefined, "asked\n"]);
      expect(stdout).toContain("not the base64 of an SSH public key");
    });

    test("replaces that of an earlier boot; only root can read it", () => {
      const twice = `authorize ${base64(`${ED25519} old`)}; authorize ${base64(ED25519)}`;
      const { stdout, read } = run(`umask 022; ${twice}; stat -c %a $D/.ssh $D/.ssh/authorized_keys; umask`);
      expect(stdout).toMatch(/^700\n600\n0?022\n$/);
      expect(read(".ssh/authorized_keys")).toBe(ED25519);
    });
  });

  describe("the host key", () => {
    test.each([
      ["whole", "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\n", false],
      ["half", "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", true],
      ["empty", "", true],
    ])("that is %s", (_, content, made) => {
      const directory = tempDirectory();
      writeFileSync(join(directory, "host_key"), content);
      writeFileSync(join(directory, "host_key.pub"), "old");
      const { read } = run("make_host_key", { directory });
      expect(read("host_key") !== content).toBe(made);
      expect(read("host_key.pub") !== "old").toBe(made);
      expect(read("host_key")).toMatch(/-----END OPENSSH PRIVATE KEY-----\n$/);
    });
  });

  test("what cannot be mounted is one line, and the others are mounted", () => {
    const mount = 'mount() { echo "mount $*"; [ "$2" != cgroup2 ]; }';
    const table =
      'KERNEL_FILE_SYSTEMS="tmpfs $D/a tmpfs nosuid\ncgroup2 $D/b cgroup2 noexec\ntmpfs $D/c tmpfs nodev"';
    const { stdout } = run(`${mount}; ${table}; mount_one_by_one`);
    expect(stdout.replaceAll(/\S*\/([abc])\b/g, "$1")).toBe(
      [
        "mount -t tmpfs -o nosuid tmpfs a",
        "mount -t cgroup2 -o noexec cgroup2 b",
        "SMOLVM_ERR mount: cgroup2 on b failed",
        "mount -t tmpfs -o nodev tmpfs c\n",
      ].join("\n"),
    );
  });

  test("starts sshd again after growing pauses, and reports once that it keeps ending", () => {
    const { stdout } = run(
      [
        "n=0; start_sshd() { n=$((n + 1)); [ $n -lt 8 ] || exit 0; false & sshd=$!; started=0; }",
        'uptime=0.00; now() { :; }; sleep() { echo "$1" >>$D/pauses; }',
        "start_sshd; keep_sshd",
      ].join("\n"),
    );
    expect(stdout).toBe("SMOLVM_ERR sshd ended; it is started again, after growing pauses\n");
  });

  describe("the guest agent", () => {
    const DIES = "#!/bin/sh\necho $*\nexit 3\n";
    /** `sleep` that only notes its seconds, and ends the loop after eight. */
    const SLEEP = 'n=0; sleep() { n=$((n + 1)); echo "$1"; [ $n -lt 8 ] || exit 0; }';
    const REPORT = /^SMOLVM_ERR smolvm-guest-agent ended with exit code 3; .*agent\.log\)$/;
    const lives = (now: string) => {
      const directory = tempDirectory();
      writeFileSync(join(directory, "agent"), DIES, { mode: 0o755 });
      const { stdout, read } = run(`${SLEEP}; ${now} keep_agent`, { directory });
      return { lines: stdout.trimEnd().split("\n"), log: read("agent.log") };
    };

    test("that dies at once is reported once, and started again after growing pauses", () => {
      const { lines, log } = lives("");
      expect(lines).toEqual([expect.stringMatching(REPORT), ...[1, 2, 4, 8, 16, 32, 60, 60].map(String)]);
      expect(log).toBe("--listen vsock://1024\n".repeat(8));
    });

    test("that dies after a minute is reported each time, and started again at once", () => {
      const { lines } = lives("uptime=0; now() { uptime=$((uptime + 60)); };");
      expect(lines).toEqual(
        Array(8)
          .fill([expect.stringMatching(REPORT), "1"])
          .flat(),
      );
    });
  });

  test.each([
    [1000, "1000", []],
    [1000, "999", []],
    [1000, "400", ["-u -s @1000"]],
    [1000, "9000", ["-u -s @1000"]],
  ])("sets a clock that differs from the real-time clock: %i, %s", (real, clock, set) => {
    const directory = tempDirectory();
    writeFileSync(join(directory, "rtc"), `${real}\n`);
    const date = `date() { [ "$1" = +%s ] && echo ${clock} || echo "$*" >>"$D/set"; }`;
    const { read } = run(`${date}; now() { epoch=${clock}; }; sleep() { exit; }; keep_time`, { directory });
    expect(read("set") ?? "").toBe(set.map((each) => `${each}\n`).join(""));
  });
});
