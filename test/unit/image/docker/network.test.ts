import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { describe, expect, it } from "vitest";
import {
  buildNetwork,
  type Network,
  type NetworkOptions,
  networkFromEnvironment,
} from "../../../../pipeline/image/docker/network.ts";
import { tempDirectory } from "../../../support/run.ts";

const CA = "-----BEGIN CERTIFICATE-----\nZXh0cmE=\n-----END CERTIFICATE-----\n";
const HERE = "/tmp/network";

function caFile(text = CA): string {
  const path = join(tempDirectory(), "ca.pem");
  writeFileSync(path, text);
  return path;
}

/** A container's root as far as the network's files know it: they are moved below a directory of the test. */
function container(network: Network, etc: Readonly<Record<string, string>>): string {
  const root = tempDirectory();
  for (const directory of ["network", "etc/apk"]) mkdirSync(join(root, directory), { recursive: true });
  for (const [path, text] of Object.entries(etc)) writeFileSync(join(root, "etc", path), text);
  for (const [path, text] of Object.entries(network.files)) {
    const moved = text.replaceAll(HERE, join(root, "network")).replaceAll(" /etc/", ` ${root}/etc/`);
    writeFileSync(join(root, path.replace("dockerfiles/", "")), moved);
  }
  return root;
}

/** Sources the `env` file as every build step does, and returns the variables that a step then sees. */
function sourced(root: string): Record<string, string> {
  const { status, stdout, stderr } = spawnSync("sh", ["-c", `set -eu; . "${root}/network/env"; env`], {
    encoding: "utf8",
    env: { PATH: process.env.PATH },
  });
  expect([status, stderr]).toEqual([0, ""]);
  return Object.fromEntries(
    stdout
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

/** Builds a network and sources it in a container that has these files in /etc. */
function inContainer(options: NetworkOptions, etc: Readonly<Record<string, string>> = {}) {
  const root = container(buildNetwork(options, {}), etc);
  const env = sourced(root);
  return { env, root, file: (path: string) => readFileSync(join(root, "network", path), "utf8") };
}

describe("the network's settings", () => {
  const env = {
    SMOLVM_APT_MIRROR: "http://env/apt",
    SMOLVM_APK_MIRROR: "http://env/apk",
    SMOLVM_NPM_REGISTRY: "http://env/npm",
    NODE_EXTRA_CA_CERTS: "env.pem",
  };

  it("come from the environment", () => {
    expect(networkFromEnvironment(env, {})).toEqual({
      aptMirror: "http://env/apt",
      apkMirror: "http://env/apk",
      npmRegistry: "http://env/npm",
      extraCa: "env.pem",
    });
  });

  it("come from a flag where there is one", () => {
    const flags = {
      aptMirror: "http://flag/apt",
      apkMirror: "http://flag/apk",
      npmRegistry: "http://flag/npm",
      extraCa: "flag.pem",
    };
    expect(networkFromEnvironment(env, flags)).toEqual(flags);
  });

  it("are none where a variable is empty, as it is in a workflow whose setting nobody made", () => {
    const empty = Object.fromEntries(Object.keys(env).map((name) => [name, ""]));
    expect(buildNetwork(networkFromEnvironment(empty, {}), {})).toEqual(buildNetwork({}, {}));
  });

  it.each([
    "company-mirror",
    "ftp://mirror/debian",
    "http://",
    "http://mirror/a b",
    "http://mirror/$(id)",
    "http://mirror/'x",
    "http://mirror/a#b&c",
    "file:///srv/mirror",
  ])("refuse the mirror address %s", (mirror) => {
    expect(() => buildNetwork({ apkMirror: mirror }, {})).toThrow(
      `mirror "${mirror}" is not an address that can be used`,
    );
  });

  it("refuse a CA file that is missing", () => {
    const path = join(tempDirectory(), "missing.pem");
    expect(() => buildNetwork({ extraCa: path }, {})).toThrow(
      `cannot read the extra CA ${path} (no such file or directory): set NODE_EXTRA_CA_CERTS or --extra-ca to a PEM file`,
    );
  });

  it.each([
    ["is not PEM", "\x30\x82 binary"],
    ["holds a key instead", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"],
  ])("refuse a CA file that %s", (_, text) => {
    const path = caFile(text);
    expect(() => buildNetwork({ extraCa: path }, {})).toThrow(`the extra CA ${path} is not a PEM file`);
  });

  it.each([
    ["http://localhost:3142/debian", "host"],
    ["http://127.0.0.1:8080", "host"],
    ["http://[::1]:8080/alpine", "host"],
    ["https://mirror.company.example/debian", "default"],
    ["https://localhost.company.example/debian", "default"],
  ])("with the mirror %s use Docker's network mode %s", (mirror, mode) => {
    // A container's own loopback is not the machine's.
    expect(buildNetwork({ aptMirror: mirror }, {}).mode).toBe(mode);
  });

  it.each(["http://127.0.0.1:3128", "http://user:word@localhost:3128"])(
    "reach a proxy on this machine, %s, by sharing its network",
    (HTTPS_PROXY) => {
      expect(buildNetwork({}, { HTTPS_PROXY }).mode).toBe("host");
      expect(buildNetwork({}, { HTTPS_PROXY: "http://proxy.example:3128" }).mode).toBe("default");
    },
  );

  it("hand on the proxies, and nothing else of the environment", () => {
    const proxies = { HTTPS_PROXY: "http://proxy:3128", no_proxy: "localhost" };
    const network = buildNetwork({}, { ...proxies, GITHUB_TOKEN: "secret", PATH: "/bin" });
    expect(network.buildArgs).toEqual(proxies);
  });

  it("name the mirrors as what an image must not hold, however their addresses end", () => {
    const { secrets } = buildNetwork({ aptMirror: "http://a/debian//", npmRegistry: "http://b/npm" }, {});
    expect(secrets).toEqual(["http://a/debian", "http://b/npm"]);
  });
});

describe("in a build's container", () => {
  it("nothing is set when nothing is asked for", () => {
    const network = buildNetwork({}, {});
    // The public CAs lie there for whoever asks for them by name.
    expect(Object.keys(network.files)).toEqual(["dockerfiles/network/env", "dockerfiles/network/ca.pem"]);
    expect(network).toMatchObject({ mode: "default", buildArgs: {}, secrets: [] });
    const env = sourced(container(network, {}));
    expect(
      Object.keys(env).filter((name) => !["PATH", "PWD", "SHLVL", "_", "OLDPWD"].includes(name)),
    ).toEqual([]);
  });

  it("npm asks the registry that was given", () => {
    expect(inContainer({ npmRegistry: "https://npm.company.example/" }).env).toMatchObject({
      npm_config_registry: "https://npm.company.example/",
    });
  });

  it("apt reads the mirror alone, with the release's own name", () => {
    const { env, root, file } = inContainer(
      { aptMirror: "http://mirror.company.example/debian" },
      { "os-release": 'PRETTY_NAME="Debian"\nVERSION_CODENAME=trixie\n' },
    );
    expect(env.APT_CONFIG).toBe(join(root, "network/apt.conf"));
    expect(file("apt.conf")).toBe(
      `Dir::Etc::sourcelist "${root}/network/sources.list";\nDir::Etc::sourceparts "-";\n`,
    );
    expect(file("sources.list")).toBe("deb http://mirror.company.example/debian trixie main\n");
  });

  it("apk reads its own repositories, each at the mirror", () => {
    const { env, root, file } = inContainer(
      { apkMirror: "http://mirror.company.example/alpine/" },
      {
        "apk/repositories":
          "https://cdn.example/alpine/v3.24/main\nhttps://cdn.example/alpine/v3.24/community\nhttp://other.example/a/b/edge/testing\n",
      },
    );
    expect(env.APK_FLAGS).toBe(`--repositories-file ${root}/network/repositories`);
    expect(file("repositories")).toBe(
      "http://mirror.company.example/alpine/v3.24/main\n" +
        "http://mirror.company.example/alpine/v3.24/community\n" +
        "http://mirror.company.example/alpine/edge/testing\n",
    );
    // The image's own file is left as it was.
    expect(readFileSync(join(root, "etc/apk/repositories"), "utf8")).toContain("https://cdn.example/");
  });

  it("an apk mirror does no harm where there is no apk", () => {
    const { root } = inContainer({ apkMirror: "http://mirror.company.example/alpine" });
    expect(existsSync(join(root, "network/repositories"))).toBe(false);
  });

  it("a mirror of each kind and a CA serve side by side", () => {
    const mirror = "http://mirror.company.example";
    const { env, root, file } = inContainer(
      { aptMirror: `${mirror}/debian`, apkMirror: mirror, npmRegistry: `${mirror}/npm`, extraCa: caFile() },
      { "os-release": "VERSION_CODENAME=trixie\n", "apk/repositories": "https://cdn.example/v3.24/main\n" },
    );
    expect(env).toMatchObject({
      npm_config_registry: `${mirror}/npm`,
      APK_FLAGS: `--repositories-file ${root}/network/repositories`,
    });
    expect(file("sources.list")).toBe(`deb ${mirror}/debian trixie main\n`);
    expect(file("repositories")).toBe(`${mirror}/v3.24/main\n`);
    expect(file("apt.conf")).toContain("Acquire::https::CAInfo");
    expect(file("apt.conf")).toContain("Dir::Etc::sourcelist");
  });

  it("every program trusts the extra CA beside the public ones", () => {
    const { env, root, file } = inContainer({ extraCa: caFile() });
    const bundle = join(root, "network/ca.pem");
    expect(env).toMatchObject({
      NODE_EXTRA_CA_CERTS: bundle,
      SSL_CERT_FILE: bundle,
      CURL_CA_BUNDLE: bundle,
      GIT_SSL_CAINFO: bundle,
      APT_CONFIG: join(root, "network/apt.conf"),
    });
    expect(file("apt.conf")).toBe(`Acquire::https::CAInfo "${bundle}";\n`);
    // These variables replace a program's own list, so the bundle must hold both.
    expect(file("ca.pem")).toContain(CA.trim());
    expect(file("ca.pem")).toContain(rootCertificates[0]);
  });
});
