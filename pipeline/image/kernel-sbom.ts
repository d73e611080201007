import { PackageURL } from "packageurl-js";
import type { Package } from "../schema/facts.ts";
import type { Arch } from "../schema/names.ts";
import { sbom } from "./rootfs/sbom.ts";

/** A file of a kernel's configuration. */
interface ConfigFile {
  /** A path in the project, or the name of a staged file. */
  readonly name: string;
  readonly sha256: string;
}

/** What a kernel is made from. */
export interface KernelSubject {
  /** The cell's id. */
  readonly name: string;
  readonly arch: Arch;
  /** Debian's package with the source, and its version, such as `linux-source-6.12` and `6.12.115-1`. */
  readonly source: { readonly package: string; readonly version: string };
  /** The configuration fragments, in the order in which they are applied. */
  readonly fragments: readonly ConfigFile[];
  /** The configuration that they resolve to. */
  readonly config: ConfigFile;
  /** The Debian packages of the source and the toolchain. */
  readonly packages: readonly Package[];
}

/** A component as CycloneDX 1.6 JSON; the library has no pedigree. */
interface Component {
  readonly type: string;
  readonly name: string;
  readonly "bom-ref": string;
  readonly [field: string]: unknown;
}

/** Debian's source package of every `linux-source-*`. */
const SOURCE = "linux";
/** As in Linux's COPYING. */
const LICENSES = [{ expression: "GPL-2.0-only WITH Linux-syscall-note" }];

/**
 * The inventory of a kernel as CycloneDX 1.6 JSON: Linux, its configuration, and the packages that made it. The same subject
 * gives the same bytes.
 */
export function kernelSbom(subject: KernelSubject): string {
  const { name, arch, packages, fragments, config } = subject;
  const toolchain = packages.map((each) => ({ ...each, license: [] }));
  const distribution = { id: "debian", version: "" };
  const bom = JSON.parse(sbom({ name, type: "kernel", arch, distribution }, toolchain)) as {
    components: Component[];
    dependencies: { ref: string; dependsOn?: string[] }[];
  };
  const files = [
    ...fragments.map((file) =>
      fileComponent(file, "The options of the kernel's configuration that are not off"),
    ),
    fileComponent(config, "The kernel's configuration, with every option that the fragments imply"),
  ];
  const madeOf = [linuxComponent(subject), upstreamComponent(subject.source.version), ...files];
  return `${JSON.stringify(
    {
      ...bom,
      components: [...madeOf, ...bom.components.map((each) => ({ ...each, scope: "excluded" }))],
      dependencies: [
        ...bom.dependencies.map((each) =>
          each.ref === name ? { ...each, dependsOn: madeOf.map((made) => made["bom-ref"]) } : each,
        ),
        ...madeOf.map((made) => ({ ref: made["bom-ref"] })),
      ],
    },
    null,
    2,
  )}\n`;
}

/** Linux as Debian has patched it. Debian's list of vulnerabilities has it under the source package. */
function linuxComponent({ source: { package: name, version } }: KernelSubject): Component {
  const { "bom-ref": _, cpe, ...upstream } = upstreamComponent(version);
  const purl = debianPurl(version);
  return {
    type: "library",
    name: SOURCE,
    version,
    "bom-ref": purl,
    description: `Linux with Debian's patches, from the package ${name}`,
    licenses: LICENSES,
    purl,
    pedigree: {
      ancestors: [upstream],
      patches: [{ type: "unofficial", diff: { url: debianPurl(version, "debian/patches") } }],
      notes: "The patches, in order, are those that debian/patches/series of Debian's source package names.",
    },
  };
}

/**
 * The version of Linux that Debian patched. Scanners find its vulnerabilities by the CPE: they use it where the purl names no
 * distribution, overlook it in a component of type `operating-system` (anchore/grype#2656), and report for each component that
 * has it.
 */
function upstreamComponent(version: string): Component {
  const upstream = upstreamVersion(version);
  const purl = new PackageURL("generic", undefined, SOURCE, upstream, undefined, undefined).toString();
  return {
    type: "library",
    name: SOURCE,
    version: upstream,
    "bom-ref": purl,
    licenses: LICENSES,
    // A pre-release, such as Debian's `6.13~rc7`, is written differently in a CPE.
    ...(/^[\d.]+$/.test(upstream) ? { cpe: `cpe:2.3:o:linux:linux_kernel:${upstream}:*:*:*:*:*:*:*` } : {}),
    purl,
  };
}

/** The version of Linux in a version of Debian's package: `6.12.115` of `6.12.115-1`, `6.13-rc7` of `1:6.13~rc7-1~exp1`. */
const upstreamVersion = (version: string) =>
  version
    .replace(/^\d+:/, "")
    .replace(/-[^-]*$/, "")
    .replace("~", "-");

/** Debian's source package, or a directory in it. */
const debianPurl = (version: string, path?: string) =>
  new PackageURL("deb", "debian", SOURCE, version, { arch: "source" }, path).toString();

const fileComponent = ({ name, sha256 }: ConfigFile, description: string): Component => ({
  type: "file",
  name,
  "bom-ref": name,
  description,
  hashes: [{ alg: "SHA-256", content: sha256 }],
});
