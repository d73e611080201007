import { expect, it } from "vitest";
import type { LicensedPackage } from "../../../../pipeline/image/rootfs/packages.ts";
import { type Subject, sbom, sbomFacts } from "../../../../pipeline/image/rootfs/sbom.ts";

const DEBIAN: Subject = {
  ...{ name: "codex-amd64-debian", type: "rootfs", arch: "amd64" },
  distribution: { id: "debian", version: "13" },
};
const pkg = (
  type: LicensedPackage["type"],
  name: string,
  version: string,
  license: LicensedPackage["license"] = [],
): LicensedPackage => ({
  ...{ type, name, version, license },
});
const PACKAGES = [
  pkg("deb", "libc6", "1:2.41-12", [{ spdx: "LGPL-2.1-or-later" }, { name: "DEC" }]),
  pkg("npm", "@openai/codex", "0.169.0", [{ spdx: "Apache-2.0" }]),
  pkg("npm", "both", "1.0.0", [{ spdx: "Apache-2.0 OR MIT" }]),
  pkg("pypi", "rich", "14.1.0"),
];
const read = (subject: Subject, packages: readonly LicensedPackage[]) => JSON.parse(sbom(subject, packages));

it("names every package by the purl that a vulnerability database knows it by", () => {
  const { bomFormat, specVersion, metadata, components } = read(DEBIAN, PACKAGES);
  expect([bomFormat, specVersion, metadata.component.name]).toEqual([
    "CycloneDX",
    "1.6",
    "codex-amd64-debian",
  ]);
  expect(components.map(({ purl }: { purl: string }) => purl).sort()).toEqual([
    "pkg:deb/debian/libc6@1:2.41-12?arch=amd64&distro=debian-13",
    "pkg:npm/%40openai/codex@0.169.0",
    "pkg:npm/both@1.0.0",
    "pkg:pypi/rich@14.1.0",
  ]);
  const alpine = { ...DEBIAN, distribution: { id: "alpine", version: "3.24.2" } };
  expect(read(alpine, [pkg("apk", "musl", "1.2.5-r9", [{ spdx: "MIT" }])]).components[0].purl).toBe(
    "pkg:apk/alpine/musl@1.2.5-r9?arch=x86_64&distro=alpine-3.24.2",
  );
});

it("states a licence by its SPDX id or expression, and else as the package does", () => {
  const { components } = read(DEBIAN, PACKAGES);
  expect(
    Object.fromEntries(
      components.map((each: { name: string; licenses: object }) => [each.name, each.licenses]),
    ),
  ).toEqual({
    libc6: [{ license: { name: "DEC" } }, { license: { id: "LGPL-2.1-or-later" } }],
    "@openai/codex": [{ license: { id: "Apache-2.0" } }],
    both: [{ expression: "Apache-2.0 OR MIT" }],
    rich: undefined,
  });
  const isUnknown = ({ properties = [] }: { properties?: { name: string; value: string }[] }) =>
    properties.some(({ name, value }) => name === "smolvm:license" && value === "unknown");
  expect(components.filter(isUnknown).map(({ name }: { name: string }) => name)).toEqual(["rich"]);
});

it("is the same text for the same packages, in whatever order and at whatever time", () => {
  expect(sbom(DEBIAN, PACKAGES.toReversed())).toBe(sbom(DEBIAN, PACKAGES));
  expect(sbom(DEBIAN, PACKAGES)).not.toMatch(/timestamp|serialNumber/);
});

it("is summed up for the facts of its asset", () => {
  const text = sbom(DEBIAN, PACKAGES);
  expect(sbomFacts("codex-amd64-debian-rootfs.ext4.zst", text, PACKAGES)).toMatchObject({
    asset: "codex-amd64-debian-rootfs.cdx.json",
    size: Buffer.byteLength(text),
    components: { deb: 1, npm: 2, pypi: 1 },
  });
});
