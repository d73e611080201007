import type { RootfsSource } from "../schema/cells.ts";
import { PipelineError } from "../schema/error.ts";
import { ARCHS, type Arch, checkName } from "../schema/names.ts";

export type PackageManager = "apt" | "apk";
export type Libc = "glibc" | "musl";

/** A root file system tarball, fixed by sha256 per arch. */
export interface Tarball {
  readonly url: string;
  readonly sha256: string;
}

export interface FlavorProps {
  /** The distribution's release: "24.04". */
  readonly version: string;
  /** A container image by digest: `ubuntu:24.04@sha256:…`. @default none */
  readonly image?: string;
  /** Root file system tarballs, used where no container registry answers. @default none */
  readonly tarballs?: Partial<Record<Arch, Tarball>>;
}

/** What is installed with apt comes from its archive as that was at one instant. */
export interface AptProps extends FlavorProps {
  /** UTC, `YYYYMMDDTHHMMSSZ`; not older than the image. */
  readonly snapshot: string;
}

export interface DebianProps extends AptProps {
  /** The suite that mmdebstrap installs where the image cannot be had: signed, but of the day of the build. */
  readonly suite: string;
}

const DIGEST = /^[^@\s]+@sha256:[0-9a-f]{64}$/;
const SNAPSHOT = /^\d{8}T\d{6}Z$/;
const SHA256 = /^[0-9a-f]{64}$/;

/**
 * The distribution a root file system is made from. Not a construct: it is a value that bases and
 * presets refer to; `BaseRootfs` puts it into the tree.
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

  /** Debian: glibc, apt; can also be made from its archive, where no registry answers. */
  static debian(props: DebianProps): Flavor {
    return new Flavor("debian", "apt", "glibc", props, { from: "mmdebstrap", suite: props.suite });
  }

  readonly name: string;
  readonly version: string;
  readonly packageManager: PackageManager;
  readonly libc: Libc;
  /** The instant of apt's archive; undefined where there is no apt. */
  readonly snapshot: string | undefined;
  readonly #sources: ReadonlyMap<Arch, readonly RootfsSource[]>;

  private constructor(
    name: string,
    packageManager: PackageManager,
    libc: Libc,
    props: FlavorProps & Partial<AptProps>,
    archive?: RootfsSource,
  ) {
    this.name = checkName("flavor", name);
    this.version = props.version;
    this.packageManager = packageManager;
    this.libc = libc;
    this.snapshot = props.snapshot;
    this.#sources = new Map(
      ARCHS.map((arch) => {
        const tarball = props.tarballs?.[arch];
        if (tarball && !SHA256.test(tarball.sha256)) {
          throw new PipelineError(
            `flavor ${name}: tarball for ${arch} needs a sha256 of 64 lower-case hex digits`,
          );
        }
        const sources: RootfsSource[] = [];
        if (props.image) sources.push({ from: "image", image: props.image });
        if (tarball) sources.push({ from: "tarball", url: tarball.url, sha256: tarball.sha256 });
        if (archive) sources.push(archive);
        return [arch, sources];
      }),
    );
    if (props.snapshot !== undefined && !SNAPSHOT.test(props.snapshot)) {
      throw new PipelineError(
        `flavor ${name}: snapshot "${props.snapshot}" is not an instant like 20261120T000000Z`,
      );
    }
    if (props.image && !DIGEST.test(props.image)) {
      throw new PipelineError(
        `flavor ${name}: image "${props.image}" is not fixed by digest (name:tag@sha256:…)`,
      );
    }
  }

  /** Where the first files come from on `arch`, in the order in which they are tried. */
  sources(arch: Arch): readonly RootfsSource[] {
    return this.#sources.get(arch) ?? [];
  }
}
