import { z } from "zod";
import type { RootfsSource } from "../schema/cells.ts";
import { IMAGE_BY_DIGEST } from "../schema/digest.ts";
import { ARCHS, type Arch } from "../schema/names.ts";
import { SHA256 } from "../util/hash.ts";
import { checkProps, text } from "./props.ts";

export type PackageManager = "apt" | "apk";
export type Libc = "glibc" | "musl";

/** A root file system tarball of one arch, fixed by its sha256. */
export interface Tarball {
  /** Its http(s) address. */
  readonly url: string;
  /** The sha256 of the file, lower-case hex. */
  readonly sha256: string;
}

/** A release of a distribution, and where its root file system comes from. Give at least one source. */
export interface FlavorProps {
  /** The distribution's release: "24.04". */
  readonly version: string;
  /** A container image by digest: `ubuntu:24.04@sha256:…`. @default none */
  readonly image?: string | undefined;
  /** Root file system tarballs, used if no container registry can be reached. @default none */
  readonly tarballs?: Partial<Record<Arch, Tarball>> | undefined;
}

/** For a flavor with apt: packages come from the dated archive of one instant. */
export interface AptProps extends FlavorProps {
  /** The instant of the archive: UTC, `YYYYMMDDTHHMMSSZ`. It must not be older than the image. */
  readonly snapshot: string;
}

export interface DebianProps extends AptProps {
  /**
   * The suite that mmdebstrap installs if the image cannot be fetched. The archive is signed, but the packages are those of
   * the day of the build.
   */
  readonly suite: string;
}

const props = {
  version: text(),
  image: z.string().regex(IMAGE_BY_DIGEST, "is not fixed by digest (name:tag@sha256:…)").optional(),
  tarballs: z
    .strictObject(
      Object.fromEntries(
        ARCHS.map((arch) => [
          arch,
          z
            .strictObject({
              url: text(),
              sha256: z.string().regex(SHA256, "is not a sha256: 64 lower-case hex digits"),
            })
            .optional(),
        ]),
      ),
    )
    .optional(),
};
const snapshot = z.string().regex(/^\d{8}T\d{6}Z$/, "is not an instant like 20261120T000000Z");
const PROPS = {
  ubuntu: z.strictObject({ ...props, snapshot }),
  alpine: z.strictObject(props),
  debian: z.strictObject({ ...props, snapshot, suite: text() }),
};

/**
 * The distribution that a root file system is made from. It is not a construct, but a value that bases and presets refer
 * to; `BaseRootfs` puts it into the tree.
 * @example
 * ```ts
 * Flavor.debian({ version: "13", image: pins.DEBIAN_IMAGE, suite: "trixie", snapshot: "20261120T000000Z" });
 * ```
 */
export class Flavor {
  /** Ubuntu: glibc, apt. */
  static ubuntu(props: AptProps): Flavor {
    return new Flavor("ubuntu", "apt", "glibc", props);
  }

  /** Alpine: musl and busybox, apk. */
  static alpine(props: FlavorProps): Flavor {
    return new Flavor("alpine", "apk", "musl", props);
  }

  /** Debian: glibc, apt. Can also be made from its archive, if no registry can be reached. */
  static debian(props: DebianProps): Flavor {
    return new Flavor("debian", "apt", "glibc", props, (suite) => ({ from: "mmdebstrap", suite }));
  }

  /** `ubuntu`, `alpine` or `debian`: part of the ids of cells and of asset names. */
  readonly name: string;
  /** The release of the distribution: `24.04`. */
  readonly version: string;
  /** What installs its packages. */
  readonly packageManager: PackageManager;
  /** Its C library: programs that are made for the other one do not run. */
  readonly libc: Libc;
  /** The instant of apt's archive; undefined for a flavor without apt. */
  readonly snapshot: string | undefined;
  /** What is wrong with its props. The constructs that use the flavor report it. */
  readonly errors: readonly string[];
  readonly #sources: ReadonlyMap<Arch, readonly RootfsSource[]>;

  private constructor(
    name: keyof typeof PROPS,
    packageManager: PackageManager,
    libc: Libc,
    props: FlavorProps & Partial<DebianProps>,
    archive?: (suite: string) => RootfsSource,
  ) {
    const { errors, usable } = checkProps(PROPS[name], props);
    const { version = "", snapshot, image, tarballs, suite } = usable ? props : {};
    this.name = name;
    this.version = version;
    this.packageManager = packageManager;
    this.libc = libc;
    this.snapshot = snapshot;
    this.errors = errors;
    this.#sources = new Map(
      ARCHS.map((arch) => {
        const tarball = tarballs?.[arch];
        const sources: RootfsSource[] = [];
        if (image) sources.push({ from: "image", image });
        if (tarball) sources.push({ from: "tarball", url: tarball.url, sha256: tarball.sha256 });
        if (archive && suite) sources.push(archive(suite));
        return [arch, sources];
      }),
    );
  }

  /** The sources of the root file system for `arch`, in the order in which they are tried. */
  sources(arch: Arch): readonly RootfsSource[] {
    return this.#sources.get(arch) ?? [];
  }
}

/** The schema of a prop that takes a Flavor with valid props. */
export const FlavorProp = z.custom<Flavor>().superRefine((value, context) => {
  if (!(value instanceof Flavor)) {
    context.addIssue({ code: "invalid_type", expected: "Flavor", input: value });
    return;
  }
  for (const error of value.errors) context.addIssue({ code: "custom", message: `${value.name}: ${error}` });
});
