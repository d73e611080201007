import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { PipelineError } from "../../util/error.ts";
import { reasonOf } from "../../util/reason.ts";

/** Variables of a process, as process.env has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a user behind a company network sets: mirrors, and a CA to trust beside the public ones. */
export interface NetworkOptions {
  /** Replaces the archive in apt's sources. */
  readonly aptMirror?: string | undefined;
  /** The address above `v3.x/main`, in place of Alpine's own. */
  readonly apkMirror?: string | undefined;
  readonly npmRegistry?: string | undefined;
  /** A PEM file. */
  readonly extraCa?: string | undefined;
}

/** How a container reaches the network while it is built. Nothing of it is in a finished image. */
export interface Network {
  readonly mode: "default" | "host";
  /** Files that replace those of `dockerfiles/network/` in the build's context. */
  readonly files: Readonly<Record<string, string>>;
  /** Docker's predefined proxy arguments, which it keeps out of the image. */
  readonly buildArgs: Readonly<Record<string, string>>;
  /** What must not be found in an image: mirror addresses and certificates, for the audit. */
  readonly secrets: readonly string[];
  readonly aptMirror: string | undefined;
}

const HERE = "/tmp/network";
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

const isLoopback = (address: string) =>
  URL.canParse(address) && /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(address).hostname);

/** The mirrors of the environment; flags win over them, and an empty variable is none. */
export function networkFromEnvironment(env: Environment, flags: NetworkOptions): NetworkOptions {
  return {
    aptMirror: flags.aptMirror ?? (env.SMOLVM_APT_MIRROR || undefined),
    apkMirror: flags.apkMirror ?? (env.SMOLVM_APK_MIRROR || undefined),
    npmRegistry: flags.npmRegistry ?? (env.SMOLVM_NPM_REGISTRY || undefined),
    extraCa: flags.extraCa ?? (env.NODE_EXTRA_CA_CERTS || undefined),
  };
}

/** @throws PipelineError on an address that is none, or a CA file that cannot be read */
export function buildNetwork(options: NetworkOptions, env: Environment): Network {
  const mirrors = [options.aptMirror, options.apkMirror, options.npmRegistry].filter(
    (url) => url !== undefined,
  );
  for (const mirror of mirrors) {
    // It becomes part of a script: no character that a shell or sed could take for its own.
    if (!URL.canParse(mirror) || !/^https?:\/\/[\w.~:/@%+[\]-]+$/.test(mirror)) {
      throw new PipelineError(`mirror "${mirror}" is not an http(s) address`);
    }
  }
  const ca = options.extraCa === undefined ? undefined : readCa(options.extraCa);
  const buildArgs = Object.fromEntries(
    PROXIES.flatMap((name) => (env[name] ? [[name, env[name]] as const] : [])),
  );
  // The public CAs, for images that have none yet.
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

/** The files below `/tmp/network` that point each package manager at its mirror and at the CA. */
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
      ...{ code: "not-readable", fix: "give a PEM file", cause },
    });
  }
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw new PipelineError(`the extra CA ${path} is not a PEM file`, { fix: "give one that is" });
  }
  return [...rootCertificates, pem].join("\n");
}
