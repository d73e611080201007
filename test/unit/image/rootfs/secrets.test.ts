import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { rootCertificates } from "node:tls";
import { describe, expect, it } from "vitest";
import { buildNetwork } from "../../../../pipeline/image/docker/network.ts";
import { Audit } from "../../../../pipeline/image/rootfs/audit.ts";
import type { Finding } from "../../../../pipeline/image/rootfs/findings.ts";
import { toTar } from "../../../../pipeline/image/rootfs/normalise.ts";
import { secretsOf } from "../../../../pipeline/image/rootfs/secrets.ts";
import { tempDirectory } from "../../../support/run.ts";
import { normalised } from "../../../support/tar.ts";

/** A real one (P-256, self-signed), made with `openssl req -x509`; nobody has its key. */
const COMPANY_CA = `-----BEGIN CERTIFICATE-----
MIIBijCCATGgAwIBAgIUFQ0f796Dcalj4NHcSdxhyJw8UhIwCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPQ29tcGFueSBUZXN0IENBMCAXDTI2MTEyMTAzMzQwOVoYDzIx
MjYxMDI4MDMzNDA5WjAaMRgwFgYDVQQDDA9Db21wYW55IFRlc3QgQ0EwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAASUSn6ObVnVBaU9H/fkar8qhh+ej1qkmz3S3A+9
KCAXBdVFOVv1RWkiHLVAH48W6aPQIDX1+V/e+7tkuYfV0Kdco1MwUTAdBgNVHQ4E
FgQU9/PphGmAb6KeskL7eS3HS/klGuAwHwYDVR0jBBgwFoAU9/PphGmAb6KeskL7
eS3HS/klGuAwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBmy+ji
DSbRUrm9jc6NFAI5vW6SRH1kvq9sgX7YiiIpzAIgc78VsdwtX7f0KH+cdbMAKomJ
8v5iTDGxQBjdYd2k2Ek=
-----END CERTIFICATE-----
`;

const withoutNetwork = buildNetwork({}, {});

/** A certificate as far as text goes; `seed` makes it another one. */
function certificate(seed: string): string {
  const body = Array.from({ length: 12 }, (_, line) =>
    Buffer.from(`${seed}:${line}`.padEnd(48, "=")).toString("base64"),
  );
  return `-----BEGIN CERTIFICATE-----\n${body.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function caSecrets(pem: string): string[] {
  const extraCa = join(tempDirectory(), "ca.pem");
  writeFileSync(extraCa, pem);
  return secretsOf(buildNetwork({ extraCa }, {}), {}).map(({ value }) => value);
}

const ACCOUNTS = [
  { name: "etc/passwd", body: "root:x:0:0::/root:/bin/sh\n" },
  { name: "etc/group", body: "root:x:0:\n" },
];

/** What the audit of an image with this bundle finds when the build trusted COMPANY_CA. */
async function auditOf(bundle: string): Promise<Finding[]> {
  const extraCa = join(tempDirectory(), "ca.pem");
  writeFileSync(extraCa, COMPANY_CA);
  const audit = new Audit({
    ...{ arch: "amd64", program: null },
    secrets: secretsOf(buildNetwork({ extraCa }, {}), {}),
  });
  const entries = [{ name: "etc/" }, ...ACCOUNTS, { name: "etc/bundle.crt", body: bundle }];
  return await normalised(join(tempDirectory(), "spool.tar"), entries, async (rootfs) => {
    await buffer(toTar(rootfs, (entry, chunk) => audit.chunk(entry, chunk)));
    return await audit.findings(rootfs);
  });
}

describe("what an image must not hold", () => {
  it.each([
    "GITHUB_TOKEN",
    "NODE_AUTH_TOKEN",
    "npm_config__authToken",
    "DB_PASSWORD",
    "CLIENT_SECRET",
    "OPENAI_API_KEY",
    "OPENAI_APIKEY",
    "AWS_SECRET_ACCESS_KEY",
    "NPM_CONFIG__AUTH",
  ])("is the value of %s, called by its name alone", (name) => {
    expect(secretsOf(withoutNetwork, { [name]: "hunter2-hunter2" })).toEqual([
      { name: `the value of ${name}`, value: "hunter2-hunter2" },
    ]);
  });

  it.each(["PATH", "HOME", "TOKENS_USED", "KEYBOARD"])("is not the value of %s", (name) => {
    expect(secretsOf(withoutNetwork, { [name]: "some-harmless-value" })).toEqual([]);
  });

  it("is not a credential that is empty: it would be found everywhere", () => {
    expect(secretsOf(withoutNetwork, { GITHUB_TOKEN: "" })).toEqual([]);
  });

  it("is the address of a proxy that has a password in it, and of no other", () => {
    const proxies = { HTTPS_PROXY: "http://me:hunter2@proxy:3128", HTTP_PROXY: "http://proxy:3128" };
    expect(secretsOf(buildNetwork({}, proxies), {})).toEqual([
      { name: "the value of HTTPS_PROXY", value: "http://me:hunter2@proxy:3128" },
    ]);
  });

  it("is the address of a mirror", () => {
    const network = buildNetwork({ aptMirror: "https://mirror.company.example/debian/" }, {});
    expect(secretsOf(network, {})).toEqual([
      { name: "the address of a mirror", value: "https://mirror.company.example/debian" },
    ]);
  });

  it("is each certificate that the network adds, by a line that only this one has", () => {
    const [mine, other] = [certificate("mine"), certificate("other")];
    const found = caSecrets(`# a comment\n${mine}\n${other}`);
    expect(found).toHaveLength(2);
    expect(mine).toContain(found[0]);
    expect(other).toContain(found[1]);
    expect(other).not.toContain(found[0]);
  });

  it("is no public certificate, though a company's bundle repeats them", () => {
    const company = certificate("company");
    const found = caSecrets([...rootCertificates.slice(0, 20), company].join("\n"));
    expect(found).toHaveLength(1);
    expect(company).toContain(found[0]);
  });

  it("is found in an image whose list of CAs was made while the network's was trusted", async () => {
    expect(await auditOf([...rootCertificates, COMPANY_CA].join("\n"))).toEqual([
      { id: "secret", path: "etc/bundle.crt", what: "holds a CA of the build's network" },
    ]);
  });

  it("is not found in an image that trusts the public CAs alone", async () => {
    expect(await auditOf(rootCertificates.join("\n"))).toEqual([]);
  });
});
