import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { describe, expect, it } from "vitest";
import { buildNetwork } from "../../pipeline/build/network.ts";
import { secretsOf } from "../../pipeline/runtime/secrets.ts";
import { tempDirectory } from "../support/run.ts";

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
});
