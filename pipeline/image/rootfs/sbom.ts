import { createHash } from "node:crypto";
import { Enums, Models, Serialize, Spec } from "@cyclonedx/cyclonedx-library";
import { PackageURL } from "packageurl-js";
import type { Package } from "../../schema/facts.ts";
import { type Arch, sbomAsset } from "../../schema/names.ts";
import { addLicenses } from "../licenses/cyclonedx.ts";
import type { LicensedPackage } from "./packages.ts";

/** What an inventory describes. */
export interface Subject {
  /** The cell's id. */
  readonly name: string;
  readonly type: "rootfs" | "kernel";
  readonly arch: Arch;
  /** ID and VERSION_ID of /etc/os-release, such as `debian` and `13`; the version may be empty. */
  readonly distribution: { readonly id: string; readonly version: string };
}

/**
 * The inventory as CycloneDX 1.6 JSON. The same packages give the same bytes, because it has no timestamp and no serial
 * number.
 */
export function sbom(subject: Subject, packages: readonly LicensedPackage[]): string {
  const bom = new Models.Bom();
  const type =
    subject.type === "kernel" ? Enums.ComponentType.OperatingSystem : Enums.ComponentType.Container;
  bom.metadata.component = new Models.Component(type, subject.name, { bomRef: subject.name });
  for (const each of packages) bom.components.add(component(subject, each));
  const serializer = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6));
  return `${serializer.serialize(bom, { sortLists: true, space: 2 })}\n`;
}

/** The digest, the size and the number of components of an inventory, for the facts of its asset. */
export function sbomFacts(asset: string, text: string, packages: readonly Package[]) {
  const components: Record<string, number> = {};
  for (const { type } of packages) components[type] = (components[type] ?? 0) + 1;
  const sha256 = createHash("sha256").update(text).digest("hex");
  return { asset: sbomAsset(asset), sha256, size: Buffer.byteLength(text), components };
}

function component(subject: Subject, each: LicensedPackage): Models.Component {
  const { name, version, license } = each;
  const purl = purlOf(subject, each);
  const result = new Models.Component(Enums.ComponentType.Library, name, { version, purl, bomRef: purl });
  addLicenses(result, license);
  return result;
}

/** The package URL, by which vulnerability databases identify a package: https://github.com/package-url/purl-spec */
function purlOf({ arch, distribution: { id, version: release } }: Subject, each: Package): string {
  const { type, name, version } = each;
  const qualifiers = {
    arch: type === "apk" ? { amd64: "x86_64", arm64: "aarch64" }[arch] : arch,
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
