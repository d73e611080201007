import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { FileServer } from "../../support/file-server.ts";
import { tempDirectory } from "../../support/run.ts";
import { declared, pinNamed, upstream, written } from "../../support/upstream/upstream.ts";

const sha = (digit: string) => digit.repeat(64);
const NO_KEYRING = { ubuntuKeyring: "/nonexistent" };

function ubuntu(server: FileServer, sums: readonly string[]) {
  server.files.set("/24.04/SHA256SUMS", Buffer.from(sums.map((line) => `${line}\n`).join("")));
  server.files.set("/24.04/SHA256SUMS.gpg", Buffer.from("signature"));
  const at = (arch: string) => `${server.url}/24.04/ubuntu-base-24.04.5-base-${arch}.tar.gz`;
  const tarballs = {
    amd64: { url: at("amd64"), sha256: sha("a") },
    arm64: { url: at("arm64"), sha256: sha("b") },
  };
  const flavor = Flavor.ubuntu({ version: "24.04", tarballs, snapshot: "20261120T000000Z" });
  const text = `const base = (arch) => \`…/ubuntu-base-24.04.5-base-\${arch}.tar.gz\`;\n"${sha("a")}" "${sha("b")}"\n`;
  const project = declared({ flavor }, { "images.ts": text });
  return { project, pin: pinNamed(project, "ubuntu tarball"), text };
}

it("Ubuntu's next point release replaces name and checksums", async () => {
  const server = await FileServer.start();
  const { project, pin, text } = ubuntu(server, [
    `${sha("c")} *ubuntu-base-24.04.6-base-amd64.tar.gz`,
    `${sha("d")} *ubuntu-base-24.04.6-base-arm64.tar.gz`,
    `${sha("e")} *ubuntu-base-24.04.7-base-amd64.tar.gz`,
  ]);
  const newest = await pin.newest(upstream(NO_KEYRING));
  expect(pin.pinned).toBe("24.04.5");
  // 24.04.7 is not there for arm64 yet.
  expect(newest).toMatchObject({ version: "24.04.6", behind: { versions: 1 } });
  expect(newest.note).toBe("signature not checked: the package ubuntu-keyring is not installed");
  expect(await written(project, newest)).toEqual({
    "images.ts": text.replace("24.04.5", "24.04.6").replace(sha("a"), sha("c")).replace(sha("b"), sha("d")),
  });
});

it("another checksum for the same point release is said, and is no newer version", async () => {
  const server = await FileServer.start();
  const { pin } = ubuntu(server, [
    `${sha("a")} *ubuntu-base-24.04.5-base-amd64.tar.gz`,
    `${sha("f")} *ubuntu-base-24.04.5-base-arm64.tar.gz`,
  ]);
  const newest = await pin.newest(upstream(NO_KEYRING));
  expect(newest).toMatchObject({
    version: "24.04.5",
    changed: "ubuntu-base-24.04.5-base-arm64.tar.gz: the list has another sha256 now",
  });
  expect(newest.behind).toBeUndefined();
});

it("takes Ubuntu's checksums with a good signature only", async () => {
  const home = join(tempDirectory(), "gnupg");
  mkdirSync(home, { mode: 0o700 });
  const gpg = (...args: string[]) =>
    execFileSync("gpg", ["--homedir", home, "--batch", "--yes", "-q", ...args]);
  gpg("--passphrase", "", "--quick-gen-key", "test@example.com", "ed25519", "sign", "never");
  const keyring = join(home, "keyring.gpg");
  writeFileSync(keyring, gpg("--export"));
  const server = await FileServer.start();
  const { pin } = ubuntu(server, [
    `${sha("a")} *ubuntu-base-24.04.5-base-amd64.tar.gz`,
    `${sha("b")} *ubuntu-base-24.04.5-base-arm64.tar.gz`,
  ]);
  const file = join(home, "SHA256SUMS");
  writeFileSync(file, server.files.get("/24.04/SHA256SUMS")!);
  gpg("--detach-sign", "--output", `${file}.gpg`, file);
  server.files.set("/24.04/SHA256SUMS.gpg", readFileSync(`${file}.gpg`));
  expect(await pin.newest(upstream({ ubuntuKeyring: keyring }))).toEqual({ version: "24.04.5" });

  server.files.set("/24.04/SHA256SUMS", Buffer.from(`${sha("f")} *ubuntu-base-24.04.6-base-amd64.tar.gz\n`));
  await expect(pin.newest(upstream({ ubuntuKeyring: keyring }))).rejects.toThrow(
    /SHA256SUMS: its signature is not valid \(.*BAD signature/,
  );
});

function alpine(server: FileServer, version: string) {
  for (const arch of ["x86_64", "aarch64"]) {
    const file = `alpine-minirootfs-${version}-${arch}.tar.gz`;
    const list = `---\n- title: "Mini root filesystem"\n  file: ${file}\n  version: ${version}\n  sha256: ${sha("0")}\n`;
    server.files.set(`/v3.24/releases/${arch}/latest-releases.yaml`, Buffer.from(list));
    const digit = arch === "x86_64" ? "c" : "d";
    server.files.set(`/v3.24/releases/${arch}/${file}.sha256`, Buffer.from(`${sha(digit)}  ${file}\n`));
  }
  const at = (arch: string) => `${server.url}/v3.24/releases/${arch}/alpine-minirootfs-3.24.2-${arch}.tar.gz`;
  const tarballs = {
    amd64: { url: at("x86_64"), sha256: sha("a") },
    arm64: { url: at("aarch64"), sha256: sha("b") },
  };
  const text = `alpine-minirootfs-3.24.2-\${arch} "${sha("a")}" "${sha("b")}"`;
  const project = declared({ flavor: Flavor.alpine({ version: "3.24", tarballs }) }, { "images.ts": text });
  return { project, pin: pinNamed(project, "alpine tarball"), text };
}

it("Alpine's newest point release, with the checksum beside each file", async () => {
  const server = await FileServer.start();
  const { project, pin, text } = alpine(server, "3.24.4");
  const newest = await pin.newest(upstream());
  expect(newest).toMatchObject({ version: "3.24.4", behind: { versions: 2 } });
  expect(await written(project, newest)).toEqual({
    "images.ts": text.replace("3.24.2", "3.24.4").replace(sha("a"), sha("c")).replace(sha("b"), sha("d")),
  });
});

it("an Alpine list that is none, or without a checksum beside it, leaves it unknown", async () => {
  const server = await FileServer.start();
  const { pin } = alpine(server, "3.24.4");
  server.files.delete("/v3.24/releases/aarch64/alpine-minirootfs-3.24.4-aarch64.tar.gz.sha256");
  await expect(pin.newest(upstream())).rejects.toThrow(/aarch64\.tar\.gz\.sha256: HTTP 404/);
  server.files.set("/v3.24/releases/x86_64/latest-releases.yaml", Buffer.from("moved: elsewhere\n"));
  await expect(pin.newest(upstream())).rejects.toThrow(/latest-releases\.yaml: it is not a list of releases/);
});

it("does not know the publisher of another tarball", async () => {
  const flavor = Flavor.alpine({
    version: "3.24",
    tarballs: { amd64: { url: "https://example.com/root.tar.gz", sha256: sha("a") } },
  });
  const pin = pinNamed(declared({ flavor }), "alpine tarball");
  await expect(pin.newest(upstream())).rejects.toThrow(
    "https://example.com/root.tar.gz: no list of checksums beside it is known",
  );
});
