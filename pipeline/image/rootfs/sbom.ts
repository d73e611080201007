import { createHash } from "node:crypto";
import { Enums, Models, Serialize, Spec } from "@cyclonedx/cyclonedx-library";
import { PackageURL } from "packageurl-js";
import type { Omitted } from "../../schema/cells.ts";
import { type Package, UNKNOWN_VERSION } from "../../schema/facts.ts";
import { FILE_PROPERTY, fileProperty } from "../../schema/inventory.ts";
import { type Arch, sbomAsset } from "../../schema/names.ts";
import { addLicenses } from "../licenses/cyclonedx.ts";
import type { Component, Place } from "./components.ts";

/** What an inventory describes. */
export interface Subject {
  /** The cell's id. */
  readonly name: string;
  readonly type: "rootfs" | "kernel";
  readonly arch: Arch;
  /** ID and VERSION_ID of /etc/os-release, such as `debian` and `13`; the version may be empty. */
  readonly distribution: { readonly id: string; readonly version: string };
  /** The sizes of its large files, bytes by path. @default none are listed */
  readonly files?: Readonly<Record<string, number>>;
}

/**
 * The inventory as CycloneDX 1.6 JSON. The same packages give the same bytes, because it has no timestamp and no serial
 * number.
 * @param omits what is left out of the packages. @default nothing
 */
export function sbom(
  subject: Subject,
  components: readonly Component[],
  omits: readonly Omitted[] = [],
): string {
  const bom = new Models.Bom();
  const type =
    subject.type === "kernel" ? Enums.ComponentType.OperatingSystem : Enums.ComponentType.Container;
  bom.metadata.component = new Models.Component(type, subject.name, { bomRef: subject.name });
  for (const [path, bytes] of Object.entries(subject.files ?? {}))
    bom.metadata.component.properties.add(new Models.Property(FILE_PROPERTY, fileProperty(path, bytes)));
  for (const { paths, reason } of omits) {
    bom.metadata.properties.add(new Models.Property("smolvm:omitted", `${paths}: ${reason}`));
  }
  const places = new Map<string, Component["places"]>();
  for (const each of components) {
    const result = component(subject, each);
    bom.components.add(result);
    if (each.places?.length) places.set(result.bomRef.value!, each.places);
  }
  const normalizer = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6).makeForBom();
  const normalized = normalizer.normalize(bom, { sortLists: true });
  // The library has no model of occurrences.
  for (const each of normalized.components ?? []) {
    const found = places.get(each["bom-ref"]!);
    if (found) Object.assign(each, { evidence: { occurrences: found.map(occurrence) } });
  }
  return `${JSON.stringify(normalized, null, 2)}\n`;
}

/** The digest, the size and the number of components of an inventory, for the facts of its asset. */
export function sbomFacts(asset: string, text: string, packages: readonly Package[]) {
  const components: Record<string, number> = {};
  for (const { type } of packages) components[type] = (components[type] ?? 0) + 1;
  const sha256 = createHash("sha256").update(text).digest("hex");
  return { asset: sbomAsset(asset), sha256, size: Buffer.byteLength(text), components };
}

/** A place of a component. The hash of a component's only file is that of the component. */
const occurrence = ({ path, sha256 }: Place, _: number, { length }: readonly Place[]) => ({
  location: `/${path}`,
  ...(sha256 === undefined || length === 1 ? {} : { additionalContext: `sha256:${sha256}` }),
});

function component(subject: Subject, each: Component): Models.Component {
  const { type, name, license, source, places = [] } = each;
  const version = each.version === UNKNOWN_VERSION ? undefined : each.version;
  const purl = purlOf(subject, { ...each, version });
  const [first, ...more] = places;
  const sha256 = more.length === 0 ? first?.sha256 : undefined;
  const result = new Models.Component(componentType(type), name, {
    ...{ version, purl, bomRef: purl, cpe: cpeOf(each.cpe, version) },
    ...(sha256 === undefined
      ? {}
      : { hashes: new Models.HashDictionary([[Enums.HashAlgorithm["SHA-256"], sha256]]) }),
  });
  addLicenses(result, license);
  if (source) {
    const reference = new Models.ExternalReference(source, Enums.ExternalReferenceType.Distribution);
    result.externalReferences.add(reference);
  }
  return result;
}

/** What is no package of a package manager is a program, which CycloneDX calls an application. */
const componentType = (type: Package["type"]) =>
  type === "generic" || type === "github" ? Enums.ComponentType.Application : Enums.ComponentType.Library;

/**
 * The name by which the National Vulnerability Database knows a version of a product (NISTIR 7695, formatted string);
 * undefined without a version, because that would stand for every version.
 */
function cpeOf(product: string | undefined, version: string | undefined) {
  if (product === undefined || version === undefined) return undefined;
  const quoted = version.replace(/[^A-Za-z0-9._-]/g, "\\$&");
  return `cpe:2.3:a:${product}:${quoted}:*:*:*:*:*:*:*` as const;
}

/** The package URL, by which vulnerability databases identify a package: https://github.com/package-url/purl-spec */
function purlOf(
  { arch, distribution: { id, version: release } }: Subject,
  each: Omit<Component, "version" | "license"> & { readonly version: string | undefined },
): string {
  const { type, name, version, upstream, architecture } = each;
  const qualifiers = {
    arch: architecture ?? (type === "apk" ? { amd64: "x86_64", arm64: "aarch64" }[arch] : arch),
    ...(upstream ? { upstream } : {}),
    ...(release ? { distro: `${id}-${release}` } : {}),
  };
  switch (type) {
    case "deb":
    case "apk":
      return new PackageURL(type, id, name, version, qualifiers, undefined).toString();
    case "npm": {
      const [scope, bare] = name.startsWith("@") ? name.split("/") : [undefined, name];
      return new PackageURL(type, scope, bare!, version, undefined, undefined).toString();
    }
    case "github": {
      const [owner, repository] = name.toLowerCase().split("/");
      return new PackageURL(type, owner, repository!, version, undefined, undefined).toString();
    }
    case "pypi":
    case "cargo":
    case "generic":
      return new PackageURL(type, undefined, name, version, undefined, undefined).toString();
  }
}
