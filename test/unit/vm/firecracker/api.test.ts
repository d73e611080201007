import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { configure } from "../../../../pipeline/vm/firecracker/api.ts";
import { tempDirectory } from "../../../support/run.ts";

/** A Firecracker's API on a socket that answers 204, except where `refuses` says otherwise. */
async function api(refuses: Readonly<Record<string, string>> = {}) {
  const socket = join(tempDirectory(), "api.socket");
  const calls: [string, string, unknown][] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => {
      text += chunk;
    });
    request.on("end", () => {
      calls.push([request.method!, request.url!, JSON.parse(text)]);
      const fault = refuses[request.url!];
      if (fault === undefined) return void response.writeHead(204).end();
      response
        .writeHead(400, { "content-type": "application/json" })
        .end(JSON.stringify({ fault_message: fault }));
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  onTestFinished(() => void server.close());
  return { socket, calls };
}

const options = {
  arch: "amd64",
  ...{ kernel: "/cache/vmlinux", disk: "/machines/x/rootfs.ext4", memoryMib: 512, cpus: 4 },
  ...{ cmdline: ["quiet", "smolvm.authorized_key_b64=QQ=="], tap: "tap0" },
  ...{ consoleLog: "/dev/null", directory: "/machines/x" },
} as const;

describe("a Firecracker is told", () => {
  it("what to start, call by call", async () => {
    const { socket, calls } = await api();
    await configure(socket, options);
    expect(calls).toEqual([
      [
        "PUT",
        "/boot-source",
        {
          kernel_image_path: "/cache/vmlinux",
          boot_args:
            "console=ttyS0 reboot=k panic=1 pci=off root=/dev/vda rw init=/init " +
            "ip=172.16.0.2::172.16.0.1:255.255.255.252::eth0:off quiet smolvm.authorized_key_b64=QQ==",
        },
      ],
      [
        "PUT",
        "/drives/rootfs",
        {
          drive_id: "rootfs",
          path_on_host: "/machines/x/rootfs.ext4",
          is_root_device: true,
          is_read_only: false,
        },
      ],
      ["PUT", "/machine-config", { vcpu_count: 4, mem_size_mib: 512 }],
      ["PUT", "/network-interfaces/eth0", { iface_id: "eth0", host_dev_name: "tap0" }],
      ["PUT", "/entropy", {}],
      ["PUT", "/actions", { action_type: "InstanceStart" }],
    ]);
  });

  it("to keep its boot console on arm64, as its guide does", async () => {
    const { socket, calls } = await api();
    await configure(socket, { ...options, arch: "arm64" });
    expect(calls[0]![2]).toMatchObject({ boot_args: expect.stringMatching(/^keep_bootcon console=ttyS0 /) });
  });

  it("nothing more once it has refused something, which is named", async () => {
    const { socket, calls } = await api({ "/network-interfaces/eth0": "Open tap device failed: tap0" });
    await expect(configure(socket, options)).rejects.toThrow(
      "Firecracker refuses the request /network-interfaces/eth0: Open tap device failed: tap0",
    );
    expect(calls.map(([, path]) => path)).not.toContain("/actions");
  });
});
