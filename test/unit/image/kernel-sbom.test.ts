import { PackageURL } from "packageurl-js";
import { describe, expect, it } from "vitest";
import { type KernelSubject, kernelSbom } from "../../../pipeline/image/kernel-sbom.ts";
import { cyclonedxErrors } from "../../support/cyclonedx.ts";

const SUBJECT: KernelSubject = {
  ...{ name: "kernel-amd64", arch: "amd64" },
  source: { package: "linux-source-6.12", version: "6.12.115-1" },
  fragments: [
    { name: "dockerfiles/kernel/common.config", sha256: "1".repeat(64) },
    { name: "dockerfiles/kernel/amd64.config", sha256: "2".repeat(64) },
  ],
  config: { name: "vmlinux-amd64.config", sha256: "3".repeat(64) },
  packages: [
    { type: "deb", name: "linux-source-6.12", version: "6.12.115-1" },
    { type: "deb", name: "gcc-14", version: "14.2.0-19" },
  ],
};
const read = (change: Partial<KernelSubject> = {}) => JSON.parse(kernelSbom({ ...SUBJECT, ...change }));
/** Linux as Debian has patched it, of a kernel from a version of Debian's package. */
const linuxOf = (version: string) =>
  read({ source: { ...SUBJECT.source, version } }).components.find(
    ({ purl }: { purl?: string }) => purl === `pkg:deb/debian/linux@${version}?arch=source`,
  );

describe("a kernel's inventory", () => {
  it("is valid CycloneDX 1.6", async () => {
    expect(await cyclonedxErrors(kernelSbom(SUBJECT))).toBeNull();
    // The validator reads the pedigree: it refuses a kind of patch that there is not.
    expect(await cyclonedxErrors(kernelSbom(SUBJECT).replace('"unofficial"', '"unknown"'))).not.toBeNull();
  });

  it("names Linux as scanners know it: by Debian's source package, and once by its CPE", () => {
    const linux = read().components.filter(({ name }: { name: string }) => name === "linux");
    expect(linux.map(({ purl, cpe }: { purl: string; cpe?: string }) => [purl, cpe])).toEqual([
      ["pkg:deb/debian/linux@6.12.115-1?arch=source", undefined],
      ["pkg:generic/linux@6.12.115", "cpe:2.3:o:linux:linux_kernel:6.12.115:*:*:*:*:*:*:*"],
    ]);
    for (const each of linux) {
      // A scanner overlooks the CPE of an operating system.
      expect(each.type).toBe("library");
      expect(each.licenses).toEqual([{ expression: "GPL-2.0-only WITH Linux-syscall-note" }]);
    }
  });

  it("names the Linux that Debian patched, and where the patches are", () => {
    const { ancestors, patches } = linuxOf("6.12.115-1").pedigree;
    expect(ancestors).toMatchObject([{ name: "linux", version: "6.12.115" }]);
    expect(ancestors[0]).not.toHaveProperty("cpe");
    expect(patches).toHaveLength(1);
    const { type, namespace, name, version, qualifiers, subpath } = PackageURL.fromString(
      patches[0].diff.url,
    );
    expect({ type, namespace, name, version, qualifiers, subpath }).toEqual({
      ...{ type: "deb", namespace: "debian", name: "linux", version: "6.12.115-1" },
      ...{ qualifiers: { arch: "source" }, subpath: "debian/patches" },
    });
  });

  it("reads Linux's version from any version of Debian's", () => {
    expect(linuxOf("6.12.117-1~deb12u1").pedigree.ancestors[0].version).toBe("6.12.117");
    expect(linuxOf("1:6.1.192-2").pedigree.ancestors[0].version).toBe("6.1.192");
    expect(linuxOf("6.13~rc7-1~exp1").pedigree.ancestors[0].version).toBe("6.13-rc7");
    // A CPE has another form for a pre-release.
    expect(kernelSbom({ ...SUBJECT, source: { ...SUBJECT.source, version: "6.13~rc7-1" } })).not.toContain(
      "cpe:",
    );
  });

  it("names the configuration by its digests: the fragments, in order, and what they resolve to", () => {
    const files = read().components.filter(({ type }: { type: string }) => type === "file");
    expect(
      files.map(({ name, hashes }: { name: string; hashes: { alg: string; content: string }[] }) => [
        name,
        hashes,
      ]),
    ).toEqual([
      ["dockerfiles/kernel/common.config", [{ alg: "SHA-256", content: "1".repeat(64) }]],
      ["dockerfiles/kernel/amd64.config", [{ alg: "SHA-256", content: "2".repeat(64) }]],
      ["vmlinux-amd64.config", [{ alg: "SHA-256", content: "3".repeat(64) }]],
    ]);
  });

  it("says that the toolchain made the kernel and is not in it", () => {
    const { components, dependencies } = read();
    const scopes = Object.fromEntries(
      components.map(({ name, scope }: { name: string; scope?: string }) => [name, scope]),
    );
    expect(scopes).toMatchObject({ "gcc-14": "excluded", "linux-source-6.12": "excluded" });
    expect(scopes.linux).toBeUndefined();
    const { dependsOn } = dependencies.find(({ ref }: { ref: string }) => ref === "kernel-amd64");
    expect(dependsOn).toEqual([
      ...["pkg:deb/debian/linux@6.12.115-1?arch=source", "pkg:generic/linux@6.12.115"],
      ...["dockerfiles/kernel/common.config", "dockerfiles/kernel/amd64.config", "vmlinux-amd64.config"],
    ]);
  });

  it("is the same text for the same inputs", () => {
    expect(kernelSbom({ ...SUBJECT, packages: SUBJECT.packages.toReversed() })).toBe(kernelSbom(SUBJECT));
    expect(kernelSbom(SUBJECT)).not.toMatch(/timestamp|serialNumber/);
  });
});
