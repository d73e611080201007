import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { withAccelerator } from "../../pipeline/vm/accel.ts";
import type { Kernel } from "../../pipeline/vm/proof/verify.ts";
import type { Bus } from "../../pipeline/vm/qemu/arguments.ts";
import { QemuControl } from "../../pipeline/vm/qemu/control.ts";
import { QemuMachine } from "../../pipeline/vm/qemu/machine.ts";
import { Qmp } from "../../pipeline/vm/qemu/qmp.ts";
import { attempt, generateKey, keyParameter, login, runCommand } from "../../pipeline/vm/ssh.ts";
import { startMachine } from "./machine.ts";
import { recordedRun, tempDirectory } from "./run.ts";

/** Long enough for a boot under emulation beside other work, ms. */
const PATIENCE = 240_000;

/** The stages of a boot, in their order: those of SmolVM's own init. */
const STAGES = [
  ...["init-start", "mounts-ready", "root-ready", "guest-agent-start", "guest-agent-started"],
  ...[
    "net-config-start",
    "net-config-done",
    "net-ready",
    "ssh-hostkey-check-start",
    "ssh-hostkey-check-done",
  ],
  ...["ssh-authkey-inject-start", "ssh-authkey-inject-done", "clock-sync-start", "clock-sync"],
  ...["sshd-start", "sshd-invoked", "init-complete"],
];
/** Whether a guest has a real-time clock depends on its kernel and VMM. */
const stagesOf = (marks: Iterable<string | undefined>) =>
  [...marks].map((stage) => stage?.replace(/^clock-sync-(started|disabled)$/, "clock-sync"));

/** What every image promises of its PID 1, on whatever userland; `image` and `kernel` are asked for late. */
export function describeInit(userland: string, image: () => { disk: string; kernel: Kernel }): void {
  describe(`/init on ${userland}`, () => {
    let machine: QemuMachine | undefined;
    afterEach(() => machine?.destroy());

    const boot = async (
      cmdline: string[],
      network = true,
      { kernel, bus }: { kernel: Kernel; bus?: Bus } = image(),
    ) => {
      const { disk } = image();
      const consoleLog = join(tmpdir(), `smolvm-init-${process.pid}.log`);
      machine = await startMachine({
        ...kernel,
        arch: "amd64",
        bus,
        disk,
        cmdline,
        network,
        consoleLog,
      });
      return machine;
    };
    const patience = () => AbortSignal.timeout(PATIENCE);

    it("lets the user's key in and nothing else, reaps orphans, and powers off within 2 s", async () => {
      const key = generateKey();
      const { console, address, exited } = await boot([keyParameter(key.publicKey)]);
      const { port } = address!;
      const client = await login(address!, key, patience());
      const run = (script: string) => runCommand(client, ["sh", "-c", script], patience());

      const marks = [...console.text.matchAll(/SMOLVM_TS stage=(\S+) epoch_s=(\d+) uptime_s=([\d.]+)/g)];
      expect(stagesOf(marks.map(([, stage]) => stage))).toEqual(STAGES);
      // The guest agent reads both files.
      const objects = marks.map(([, stage, epoch, uptime]) => ({
        ...{ stage, epoch_s: Number(epoch), uptime_s: Number(uptime) },
      }));
      for (const name of ["milestones", "boot-milestones"]) {
        const { output } = await run(`cat /run/smolvm/${name}.jsonl`);
        expect(
          output
            .trimEnd()
            .split("\n")
            .map((line) => JSON.parse(line)),
        ).toEqual(objects);
      }
      const places = 'grep -c " /tmp " /proc/mounts; stat -c "%F %a" /tmp /workspace';
      expect((await run(places)).output).toBe("0\ndirectory 1777\ndirectory 755\n");
      expect(console.text).not.toContain("SMOLVM_ERR");
      expect((await run("cat /proc/1/comm; hostname; stat -c %a /root/.ssh/authorized_keys")).output).toBe(
        "init\nsmolvm\n600\n",
      );

      // SmolVM's client writes this file, and its commands run in a login shell.
      await run("echo export FROM_SMOLVM=yes >/etc/profile.d/smolvm_env.sh");
      expect((await run('"$SHELL" -lc "echo \\$FROM_SMOLVM"')).output).toBe("yes\n");

      const stranger = generateKey();
      await expect(attempt({ port, privateKey: stranger.privateKey }, patience())).rejects.toThrow(/auth/i);
      for (const password of ["smolvm", ""]) {
        await expect(attempt({ port, password }, patience())).rejects.toThrow(/auth/i);
      }

      // Orphans: their parent ends before they do, so PID 1 inherits them; no zombie may stay.
      const zombies =
        "children() { grep -l '^PPid:[[:space:]]*1$' /proc/[0-9]*/status 2>/dev/null | wc -l; }; own=$(children); " +
        "for i in 1 2 3 4 5; do (sh -c 'sleep 0.1' &); done; tries=0; " +
        "while [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; " +
        '[ "$(children)" -gt "$own" ] || break; done; ' +
        "cat /proc/[0-9]*/status 2>/dev/null | grep -c '^State:.Z' || true";
      expect((await run(zombies)).output.trim()).toBe("0");

      await runCommand(client, ["kill", "-TERM", "1"], patience()).catch(() => {});
      expect(await exited).toBe(0);
      // Both by the guest's own clocks: from the signal's arrival to the kernel's last word. The kernel's stamps run
      // a tenth of a second or so behind its uptime.
      const told = console.stageUptime("poweroff")!;
      const lastWord = /\[\s*([0-9.]+)\] reboot: Power down/.exec(console.text);
      expect(lastWord?.index).toBeGreaterThan(console.text.indexOf("stage=poweroff"));
      expect(Number(lastWord?.[1]) - told).toBeLessThan(2);
    });

    it("ends a machine that has no power to switch off, also when its clock has stopped", async () => {
      const { kernel } = image();
      const elf = { kernel: join(dirname(kernel.kernel), "elf") };
      // Without its own timer a CPU gets its ticks by an interrupt that goes silent on the way down.
      for (const timer of ["", "nolapic_timer"]) {
        const key = generateKey();
        const { address, exited } = await boot([keyParameter(key.publicKey), timer], true, {
          kernel: elf,
          bus: "mmio",
        });
        const client = await login(address!, key, patience());
        client.on("error", () => {});
        runCommand(client, ["kill", "-TERM", "1"], patience()).catch(() => {});
        expect(await exited).toBe(0);
        await machine!.console.ended;
        expect(machine!.console.text).toContain("stage=poweroff");
        expect(machine!.console.text).not.toContain("Kernel panic");
        await machine?.destroy();
      }
    });

    it("reports a malformed ip= and a malformed key on the console, and still gets ready", async () => {
      const { console } = await boot([
        "ip=10.0.2.999::nowhere:255.0.255.0::eth0:off",
        "smolvm.authorized_key_b64=!!",
      ]);
      await console.waitFor(/stage=init-complete/, patience());
      expect(console.text).toContain('SMOLVM_ERR ip: "10.0.2.999" is no IPv4 address');
      expect(console.text).toContain(
        "SMOLVM_ERR smolvm.authorized_key_b64: not the base64 of an SSH public key",
      );
    });

    it("gets ready without a network device", async () => {
      const { console } = await boot(["ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off"], false);
      await console.waitFor(/stage=init-complete/, patience());
      expect(console.text).toContain("SMOLVM_ERR ip: there is no network device eth0");
    });

    /** Boots a machine that has no console, as SmolVM starts Firecracker, and logs in. Its devices are on `bus`. */
    const bootSilently = async (bus: Bus, cmdline: string[]) => {
      const { disk, kernel } = image();
      const elf = { kernel: join(dirname(kernel.kernel), "elf") };
      const key = generateKey();
      const run = recordedRun();
      machine = await withAccelerator({ arch: "amd64" }, run, (accel) =>
        QemuMachine.start(
          {
            ...(bus === "mmio" ? elf : kernel),
            ...{ arch: "amd64", accel, bus, disk, internet: true, consoleLog: join(tempDirectory(), "log") },
            // There is no ttyS0 then, so `console=ttyS0` names no console.
            cmdline: ["8250.nr_uarts=0", keyParameter(key.publicKey), ...cmdline],
          },
          run.signal,
        ),
      );
      const client = await login(machine.address!, key, patience());
      client.on("error", () => {});
      const output = async (script: string) =>
        (await runCommand(client, ["sh", "-c", script], patience())).output;
      return { machine, output };
    };
    const STAGES_IN_LOG = "dmesg | sed -n 's/.*SMOLVM_TS stage=\\([^ ]*\\) .*/\\1/p'";

    it("boots without a console on PCI devices, with what is wrong on its command line in the kernel's log", async () => {
      const { output, machine } = await bootSilently("pci", [
        "ro ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off smolvm.dns=1.1.1.1,resolver,2001:db8::1",
        "smolvm.mount=gone:/gone",
      ]);
      expect(machine.console.text).toBe("");
      expect(stagesOf((await output(STAGES_IN_LOG)).trimEnd().split("\n"))).toEqual(STAGES);
      expect(await output("dmesg | grep -o 'SMOLVM_ERR.*'")).toBe(
        'SMOLVM_ERR smolvm.mount: "gone" cannot be mounted on /gone: ' +
          "the host shares no directory with this tag, or it is in use\n" +
          'SMOLVM_ERR smolvm.dns: "resolver" is not the address of a name server\n',
      );
      expect(await output("cat /etc/resolv.conf")).toBe("nameserver 1.1.1.1\nnameserver 2001:db8::1\n");
      expect(await output("cp /etc/resolv.conf /root/written && echo writable")).toBe("writable\n");
    });

    it("boots without a console on MMIO devices, with the gateway and public resolvers of an ip= without DNS", async () => {
      const { output } = await bootSilently("mmio", ["ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off"]);
      expect(stagesOf((await output(STAGES_IN_LOG)).trimEnd().split("\n"))).toEqual(STAGES);
      expect(await output("cat /etc/resolv.conf")).toBe(
        "nameserver 10.0.2.2\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n",
      );
    });

    it("asks the network for its address with smolvm.network=guest", async () => {
      const { output } = await bootSilently("mmio", ["ip=off smolvm.network=guest"]);
      expect(await output("cat /proc/$(cat /run/udhcpc.eth0.pid)/comm")).toBe("udhcpc\n");
      expect(await output("ip route")).toMatch(/^default via 10\.0\.2\.2 dev eth0/m);
      expect(await output("cat /etc/resolv.conf")).toBe("nameserver 10.0.2.3\n");
      expect(await output("dmesg | grep -o 'SMOLVM_ERR.*'")).toBe("");
    });

    it("sets its clock by the real-time clock", async (context) => {
      const { output } = await bootSilently("pci", []);
      if ((await output(STAGES_IN_LOG)).includes("clock-sync-disabled")) {
        context.skip("this kernel has no real-time clock");
      }
      // As after a sleep of the host. The next look at the real-time clock comes when a `sleep` ends.
      const looks = "for p in $(grep -lx sleep /proc/[0-9]*/comm); do kill $(echo $p | cut -d/ -f3); done";
      const wait = "while [ $(date +%Y) = 2020 ]; do sleep 0.1; done; date +%s";
      const seconds = await output(`date -s '2020-01-01 00:00:00' >/dev/null; ${looks}; ${wait}`);
      expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(60);
    });

    it("powers off at Ctrl-Alt-Del", async () => {
      const key = generateKey();
      const { disk, kernel } = image();
      const directory = tempDirectory();
      const consoleLog = join(directory, "console");
      machine = await startMachine({
        ...{ ...kernel, arch: "amd64", disk, consoleLog, outlives: directory },
        cmdline: [keyParameter(key.publicKey)],
      });
      await machine.console.waitFor(/stage=init-complete/, patience());
      // QEMU speaks to one client at a time.
      machine.release();
      const qmp = await Qmp.open(QemuControl.socket(directory));
      await qmp.monitor("sendkey ctrl-alt-delete");
      expect(await machine.exited).toBe(0);
      expect(readFileSync(consoleLog, "utf8")).toMatch(/stage=poweroff [\s\S]*reboot: Power down/);
    });
  });
}
