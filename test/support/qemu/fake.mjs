// A QEMU of the tests' own. What it does under each accelerator is told by FAKE_QEMU_KVM and FAKE_QEMU_TCG:
//   run             prints the marks of /init, serves SSH, and ends when PID 1 is told to
//   probe           prints what the kernel's probe does, and ends
//   internal-error  makes a virtual CPU and stops the guest at its first instructions
//   io-error        runs, and stops the guest at the first command over SSH that is not `kill`; it hears no SIGTERM then
//   stays           runs, and the guest does not power off when it is told to
//   refuse          runs, and its SSH refuses every key
//   silent          runs, and the guest never prints anything
//   hang            the guest prints a line and no more
//   panic           the guest prints a panic, and the machine ends
//   no-device       ends at once, as without /dev/kvm
//   PATH            is the program at PATH instead, with emulation whatever was asked for
// FAKE_QEMU_WITHOUT_CONSOLE says it for machines that are started without a console, in place of those two. Their guest
// prints nothing.
// FAKE_QEMU_LOG is a file to which the accelerator of each start is added, and `told to power off`.
import { spawn } from "node:child_process";
import { appendFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import ssh2 from "ssh2";

const args = process.argv.slice(2);
const after = (flag) => args[args.indexOf(flag) + 1];
const accel = after("-accel").startsWith("kvm") ? "kvm" : "tcg";
const onlyMakesCpu = after("-qmp") === "stdio";
const hasConsole = onlyMakesCpu || after("-append").includes("console=");
const modeOf = (name) => process.env[`FAKE_QEMU_${name}`] || undefined;
const mode = (hasConsole ? undefined : modeOf("WITHOUT_CONSOLE")) ?? modeOf(accel.toUpperCase()) ?? "run";
const print = (text, then = () => {}) => (hasConsole ? process.stdout.write(text, then) : then());
if (process.env.FAKE_QEMU_LOG && !onlyMakesCpu) appendFileSync(process.env.FAKE_QEMU_LOG, `${accel}\n`);

if (mode.startsWith("/")) {
  const emulated = args.map((each, index) => {
    if (args[index - 1] === "-accel") return "tcg,thread=single";
    return args[index - 1] === "-cpu" ? "max" : each;
  });
  const child = spawn(mode, emulated, { stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => child.kill(signal));
  child.once("close", (code) => process.exit(code ?? 1));
} else if (mode === "no-device") {
  process.stderr.write(
    "qemu-system-x86_64: -accel kvm: Could not access KVM kernel module: No such file or directory\n",
  );
  process.exit(1);
} else if (onlyMakesCpu) {
  process.exit(0);
} else {
  await startGuest();
}

async function startGuest() {
  let status = "running";
  const connections = new Set();
  const event = (name, data) => {
    for (const connection of connections) {
      connection.write(
        `${JSON.stringify({ timestamp: { seconds: 1, microseconds: 2 }, event: name, ...(data ? { data } : {}) })}\r\n`,
      );
    }
  };
  const stop = (reason) => {
    status = reason;
    event("STOP");
  };

  // One pair in two hundred that ssh2 makes cannot be read, by itself neither: see generateKey.
  let key = "";
  do {
    key = ssh2.utils.generateKeyPairSync("ed25519").private;
  } while (ssh2.utils.parseKey(key) instanceof Error);
  const ssh = new ssh2.Server({ hostKeys: [key] }, (client) => {
    client.on("error", () => {});
    client.on("authentication", (context) => {
      // A guest that does not run answers nobody.
      if (status !== "running") return;
      context.method === "publickey" && mode !== "refuse" ? context.accept() : context.reject(["publickey"]);
    });
    client.on("session", (accept) => {
      accept().on("exec", (acceptCommand, _, { command }) => {
        if (command === "kill -TERM 1" && mode === "stays") {
          return appendFileSync(process.env.FAKE_QEMU_LOG, "told to power off\n");
        }
        if (command === "kill -TERM 1") process.exit(0);
        if (mode === "io-error") {
          process.on("SIGTERM", () => {});
          event("BLOCK_IO_ERROR", { device: "root", reason: "No space left on device" });
          return stop("io-error");
        }
        const channel = acceptCommand();
        if (command.includes("/proc/net")) channel.write("tcp 0: 00000000:0016 00000000:0000 0A 0\n");
        else if (command.includes("comm")) channel.write("init\nsshd\n");
        else channel.write(`${command}\n`);
        channel.exit(0);
        channel.end();
      });
    });
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => ssh.once("listening", resolve));

  let onAsked = () => {};
  const asked = new Promise((resolve) => {
    onAsked = resolve;
  });
  let onAddressAsked = () => {};
  const addressAsked = new Promise((resolve) => {
    onAddressAsked = resolve;
  });
  const answer = ({ execute }) => {
    if (execute === "query-status") onAsked();
    if (execute === "human-monitor-command") setImmediate(onAddressAsked);
    if (execute === "query-status") return { status, running: status === "running" };
    if (execute !== "human-monitor-command") return {};
    return `  Protocol[State]\r\n  TCP[HOST_FORWARD]  12  127.0.0.1 ${ssh.address().port}  10.0.2.15  22  0  0\r\n`;
  };
  const socket = /^unix:(.*),server=on,wait=off$/.exec(after("-qmp"))[1];
  rmSync(socket, { force: true });
  createServer((connection) => {
    connections.add(connection);
    connection.on("error", () => {});
    connection.on("close", () => connections.delete(connection));
    connection.write(`${JSON.stringify({ QMP: { version: {}, capabilities: [] } })}\r\n`);
    const reader = createInterface({ input: connection });
    reader.on("error", () => {});
    reader.on("line", (line) =>
      connection.write(`${JSON.stringify({ return: answer(JSON.parse(line)) })}\r\n`),
    );
  }).listen(socket);

  const stages = ["init-start", "net-ready", "init-complete"].map(
    (stage, index) => `SMOLVM_TS stage=${stage} epoch_s=1790000000 uptime_s=1.${index}\n`,
  );
  if (mode === "internal-error") {
    process.stderr.write("KVM internal error. Suberror: 1\nEAX=00000000\n");
    stop("internal-error");
  } else if (["run", "io-error", "refuse", "stays"].includes(mode)) {
    print(`Linux version 6.12\n${stages.join("")}`);
  } else if (mode === "probe") {
    // Even a guest that does so little takes longer than its QEMU is connected to.
    await asked;
    print("SMOLVM_TS stage=init uptime_s=1.0\nSMOLVM_PROBE Linux version 6.12\n", () => process.exit(0));
  } else if (mode === "hang") {
    print("Linux version 6.12\n");
  } else if (mode === "panic") {
    // A kernel does not panic before QEMU has answered what it is asked at its start.
    if (!hasConsole) await addressAsked;
    print("Linux version 6.12\nKernel panic - not syncing: no init\n", () => process.exit(0));
  }
}
