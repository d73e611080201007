import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Kernel } from "../../pipeline/vm/proof/verify.ts";
import type { Bus } from "../../pipeline/vm/qemu/arguments.ts";
import type { QemuMachine } from "../../pipeline/vm/qemu/machine.ts";
import { attempt, generateKey, keyParameter, login, runCommand } from "../../pipeline/vm/ssh.ts";
import { startMachine } from "./machine.ts";

/** Long enough for a boot under emulation beside other work, ms. */
const PATIENCE = 240_000;

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

      const marks = [...console.text.matchAll(/SMOLVM_TS stage=(\w+)/g)].map(([, stage]) => stage);
      expect(marks).toEqual(["init", "network", "ready"]);
      expect(console.text).not.toContain("SMOLVM_ERR");
      expect((await run("cat /proc/1/comm; hostname; stat -c %a /root/.ssh/authorized_keys")).output).toBe(
        "init\nsmolvm\n600\n",
      );

      const stranger = generateKey();
      await expect(attempt({ port, privateKey: stranger.privateKey }, patience())).rejects.toThrow(/auth/i);
      for (const password of ["smolvm", ""]) {
        await expect(attempt({ port, password }, patience())).rejects.toThrow(/auth/i);
      }

      // Orphans: their parent ends before they do, so PID 1 inherits them; no zombie may stay.
      const zombies =
        "for i in 1 2 3 4 5; do (sh -c 'sleep 0.1' &); done; tries=0; " +
        "while [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; " +
        "orphans=$(grep -l '^PPid:[[:space:]]*1$' /proc/[0-9]*/status 2>/dev/null | wc -l); " +
        '[ "$orphans" -gt 1 ] || break; done; ' +
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
        await machine?.destroy();
      }
    });

    it("reports a malformed ip= and a malformed key on the console, and still gets ready", async () => {
      const { console } = await boot([
        "ip=10.0.2.999::nowhere:255.0.255.0::eth0:off",
        "smolvm.authorized_key_b64=!!",
      ]);
      await console.waitFor(/stage=ready/, patience());
      expect(console.text).toContain('SMOLVM_ERR ip: "10.0.2.999" is no IPv4 address');
      expect(console.text).toContain(
        "SMOLVM_ERR smolvm.authorized_key_b64: not the base64 of an SSH public key",
      );
    });

    it("gets ready without a network device", async () => {
      const { console } = await boot(["ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off"], false);
      await console.waitFor(/stage=ready/, patience());
      expect(console.text).toContain("SMOLVM_ERR ip: there is no network device eth0");
    });
  });
}
