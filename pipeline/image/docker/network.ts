import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { PipelineError } from "../../util/error.ts";
import { reasonOf } from "../../util/reason.ts";

/** Environment variables, as in process.env. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a user in a company network sets: mirrors, and a CA to trust in addition to the public ones. */
export interface NetworkOptions {
  /** The address that replaces Debian's or Ubuntu's archive in apt's sources. */
  readonly aptMirror?: string | undefined;
  /** The address that replaces Alpine's mirror: the part before `v3.x/main`. */
  readonly apkMirror?: string | undefined;
  /** The address of an npm registry for the build. @default npm's own configuration */
  readonly npmRegistry?: string | undefined;
  /** The path of a PEM file. */
  readonly extraCa?: string | undefined;
}

/** How a build container reaches the network. None of these settings is in a finished image. */
export interface Network {
  readonly mode: "default" | "host";
  /** Files that replace those of `dockerfiles/network/` in the build's context. */
  readonly files: Readonly<Record<string, string>>;
  /** Docker's predefined proxy arguments. Docker does not store them in the image. */
  readonly buildArgs: Readonly<Record<string, string>>;
  /** The addresses of the mirrors. The audit refuses an image that contains one. */
  readonly secrets: readonly string[];
  readonly aptMirror: string | undefined;
}

const HERE = "/tmp/network";
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

const isLoopback = (address: string) =>
  URL.canParse(address) && /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(address).hostname);

/** The mirrors and the CA from environment variables. Flags take precedence; an empty variable counts as not set. */
export function networkFromEnvironment(env: Environment, flags: NetworkOptions): NetworkOptions {
  return {
    aptMirror: flags.aptMirror ?? (env.SMOLVM_APT_MIRROR || undefined),
    apkMirror: flags.apkMirror ?? (env.SMOLVM_APK_MIRROR || undefined),
    npmRegistry: flags.npmRegistry ?? (env.SMOLVM_NPM_REGISTRY || undefined),
    extraCa: flags.extraCa ?? (env.NODE_EXTRA_CA_CERTS || undefined),
  };
}

/** @throws PipelineError if an address is not valid, or the CA file cannot be read */
export function buildNetwork(options: NetworkOptions, env: Environment): Network {
  const mirrors = [options.aptMirror, options.apkMirror, options.npmRegistry].filter(
    (url) => url !== undefined,
  );
  for (const mirror of mirrors) {
    // The address becomes part of a script, so it may have no character that is special to a shell or to sed.
    if (!URL.canParse(mirror) || !/^https?:\/\/[\w.~:/@%+[\]-]+$/.test(mirror)) {
      throw new PipelineError(`mirror "${mirror}" is not an address that can be used`, {
        fix: "give one that begins with http:// or https:// and has no spaces, quotes or other special characters",
      });
    }
  }
  const ca = options.extraCa === undefined ? undefined : readCa(options.extraCa);
  const buildArgs = Object.fromEntries(
    PROXIES.flatMap((name) => (env[name] ? [[name, env[name]] as const] : [])),
  );
  // Without an extra CA: the public CAs, for images that have no CA bundle yet.
  const files = { ...environment(options, ca !== undefined), "ca.pem": ca ?? rootCertificates.join("\n") };
  return {
    mode: [...mirrors, ...Object.values(buildArgs)].some(isLoopback) ? "host" : "default",
    files: Object.fromEntries(
      Object.entries(files).map(([name, text]) => [`dockerfiles/network/${name}`, text]),
    ),
    buildArgs,
    secrets: mirrors.map((mirror) => mirror.replace(/\/+$/, "")),
    aptMirror: options.aptMirror,
  };
}

/** The files in `/tmp/network` that make each package manager use its mirror and the CA. */
function environment(options: NetworkOptions, ca: boolean): Record<string, string> {
  const files: Record<string, string> = {};
  const exports: string[] = [];
  const set = (name: string, value: string) => exports.push(`export ${name}='${value.replaceAll("'", "")}'`);
  const apt: string[] = [];
  if (ca) {
    const bundle = `${HERE}/ca.pem`;
    for (const name of ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"]) {
      set(name, bundle);
    }
    apt.push(`Acquire::https::CAInfo "${bundle}";`);
  }
  if (options.aptMirror) {
    set("APT_LIVE", "yes");
    apt.push(`Dir::Etc::sourcelist "${HERE}/sources.list";`, 'Dir::Etc::sourceparts "-";');
    exports.push(
      `. /etc/os-release; echo "deb ${options.aptMirror} $VERSION_CODENAME main" > ${HERE}/sources.list`,
    );
  }
  if (apt.length > 0) {
    files["apt.conf"] = `${apt.join("\n")}\n`;
    set("APT_CONFIG", `${HERE}/apt.conf`);
  }
  if (options.apkMirror) {
    const mirror = options.apkMirror.replace(/\/+$/, "");
    exports.push(
      `[ ! -e /etc/apk/repositories ] || sed -E 's#^https?://.*/(v[0-9.]+|edge)/#${mirror}/\\1/#' ` +
        `/etc/apk/repositories > ${HERE}/repositories`,
    );
    set("APK_FLAGS", `--repositories-file ${HERE}/repositories`);
  }
  if (options.npmRegistry) set("npm_config_registry", options.npmRegistry);
  files.env = `${["# The network of this build.", ...exports].join("\n")}\n`;
  return files;
}

function readCa(path: string): string {
  let pem: string;
  try {
    pem = readFileSync(path, "utf8");
  } catch (cause) {
    throw new PipelineError(`cannot read the extra CA ${path} (${reasonOf(cause)})`, {
      ...{
        code: "not-readable",
        fix: "set NODE_EXTRA_CA_CERTS or --extra-ca to a PEM file that can be read",
        cause,
      },
    });
  }
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw new PipelineError(`the extra CA ${path} is not a PEM file: it has no certificate`, {
      fix: "set NODE_EXTRA_CA_CERTS or --extra-ca to a PEM file",
    });
  }
  return [...rootCertificates, pem].join("\n");
}
