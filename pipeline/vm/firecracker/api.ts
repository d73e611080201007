import { request } from "node:http";
import type { Arch } from "../../schema/names.ts";
import { PipelineError } from "../../util/error.ts";

export interface FirecrackerOptions {
  readonly arch: Arch;
  readonly kernel: string;
  /** The image of the root file system. The guest writes to it. */
  readonly disk: string;
  readonly memoryMib: number;
  readonly cpus: number;
  /** Kernel parameters, appended to those that every machine has. */
  readonly cmdline: readonly string[];
  /** The tap device of the machine's network. It must be up and have the address HOST_IP. Undefined for no network. */
  readonly tap: string | undefined;
  readonly consoleLog: string;
  /** The directory for Firecracker's API socket. */
  readonly directory: string;
}

/** The addresses of the host and the guest on the machine's network, as in Firecracker's guide. */
const HOST_IP = "172.16.0.1";
export const GUEST_IP = "172.16.0.2";

/** The kernel parameters of Firecracker's guide, and `init=/init`. */
export const BOOT_ARGS = "console=ttyS0 reboot=k panic=1 pci=off root=/dev/vda rw init=/init";

/**
 * The kernel's command line: the parameters of Firecracker's guide for an arch (its docs/rootfs-and-kernel-setup.md),
 * the network and `cmdline`.
 */
function bootArgs({ arch, cmdline, tap }: Pick<FirecrackerOptions, "arch" | "cmdline" | "tap">): string {
  return [
    ...(arch === "arm64" ? ["keep_bootcon"] : []),
    BOOT_ARGS,
    ...(tap === undefined ? [] : [`ip=${GUEST_IP}::${HOST_IP}:255.255.255.252::eth0:off`]),
    ...cmdline,
  ].join(" ");
}

/** One request to Firecracker's API: method, path and body. */
type Call = readonly ["PUT", string, object];

/**
 * The requests that configure and start a machine, in order:
 * https://github.com/firecracker-microvm/firecracker/blob/main/docs/getting-started.md
 */
function calls(options: FirecrackerOptions): Call[] {
  return [
    ["PUT", "/boot-source", { kernel_image_path: options.kernel, boot_args: bootArgs(options) }],
    [
      "PUT",
      "/drives/rootfs",
      { drive_id: "rootfs", path_on_host: options.disk, is_root_device: true, is_read_only: false },
    ],
    ["PUT", "/machine-config", { vcpu_count: options.cpus, mem_size_mib: options.memoryMib }],
    ...(options.tap === undefined
      ? []
      : [["PUT", "/network-interfaces/eth0", { iface_id: "eth0", host_dev_name: options.tap }] as const]),
    ["PUT", "/entropy", {}],
    ["PUT", "/actions", { action_type: "InstanceStart" }],
  ];
}

/**
 * Configures and starts the machine of the Firecracker process that listens on `socket`. @throws PipelineError if it
 * refuses a request
 */
export async function configure(socket: string, options: FirecrackerOptions): Promise<void> {
  for (const [method, path, body] of calls(options)) {
    const { status, text } = await send(socket, method, path, body);
    if (status < 300) continue;
    throw new PipelineError(`Firecracker refuses the request ${path}: ${faultOf(text)}`, {
      code: "boot-failed",
    });
  }
}

const faultOf = (text: string): string => {
  try {
    return String(JSON.parse(text).fault_message);
  } catch {
    return text.trim() || "no message";
  }
};

function send(
  socketPath: string,
  method: string,
  path: string,
  body: object,
): Promise<{ status: number; text: string }> {
  const data = JSON.stringify(body);
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(data) };
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
      response.once("end", () => resolve({ status: response.statusCode ?? 0, text })).once("error", reject);
    });
    sent.once("error", reject).end(data);
  });
}
