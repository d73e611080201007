import { describe, expect, it } from "vitest";
import { ARCHS } from "../../../../pipeline/schema/names.ts";
import { formatOn, type QemuOptions, qemuArguments } from "../../../../pipeline/vm/qemu/arguments.ts";

const options: QemuOptions = {
  ...{ arch: "amd64", accel: "tcg", kernel: "/kernel", disk: "/disk", consoleLog: "/log" },
  cmdline: ["smolvm.authorized_key_b64=QQ=="],
};
const parameters = (more: Partial<QemuOptions>) => {
  const args = qemuArguments({ ...options, ...more }, "/socket");
  return args[args.indexOf("-append") + 1];
};

describe("a kernel in QEMU", () => {
  it("gets a console, our network and its name server", () => {
    expect(parameters({})).toBe(
      "console=ttyS0 reboot=k panic=1 root=/dev/vda rw init=/init " +
        "ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off:10.0.2.3 smolvm.authorized_key_b64=QQ==",
    );
  });

  it("gets what SmolVM sends on Firecracker: no console and no name server", () => {
    expect(parameters({ bus: "mmio", asFirecracker: true })).toBe(
      "reboot=k panic=1 pci=off init=/init 8250.nr_uarts=0 root=/dev/vda rw " +
        "ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off smolvm.authorized_key_b64=QQ==",
    );
  });

  it("has the format that the VMM loads whose machine this is", () => {
    const formats = ARCHS.map((arch) => [arch, formatOn("pci", arch), formatOn("mmio", arch)]);
    expect(formats).toEqual([
      ["amd64", "image", "elf"],
      ["arm64", "image", "image"],
    ]);
  });

  it("is none where firmware starts an EFI file, which gets the parameters by SMBIOS", () => {
    const firmware = { code: "/code.fd", variables: "/a,b.fd" };
    const { disk: _, kernel: __, ...rest } = options;
    const args = qemuArguments({ ...rest, firmware, fatDisk: "/fat", cmdline: ["a=1,2"] }, "/socket");
    expect(args).not.toContain("-kernel");
    expect(args).not.toContain("-append");
    const values = (flag: string) => args.filter((_, index) => args[index - 1] === flag);
    expect(values("-drive")).toEqual([
      "if=pflash,format=raw,readonly=on,file=/code.fd",
      "if=pflash,format=raw,file=/a,,b.fd",
      "file=fat:/fat,format=raw,if=none,id=fat,read-only=on",
    ]);
    expect(values("-smbios")).toEqual([
      "type=11,value=io.systemd.stub.kernel-cmdline-extra=console=ttyS0 reboot=k panic=1 " +
        "ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off:10.0.2.3 a=1,,2",
    ]);
  });
});
