import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import type { Network } from "../docker/network.ts";
import type { Secret } from "./audit.ts";

/** Names of environment variables whose values are credentials. */
const CREDENTIALS = /(TOKEN|PASSWORD|SECRET|API_?KEY|ACCESS_KEY|_AUTH)$/i;
/** Debian's packaged CAs. They are in every image and are not secret. */
const PACKAGED_CAS = "/usr/share/ca-certificates";

/** The values that an image must not contain: credentials of the environment, addresses of mirrors, and CAs of the network. */
export function secretsOf(network: Network, env: NodeJS.ProcessEnv): Secret[] {
  const credentials = Object.entries(env).flatMap(([name, value]) =>
    value && CREDENTIALS.test(name) ? [{ name: `the value of ${name}`, value }] : [],
  );
  // A proxy's address may hold a password.
  const proxies = Object.entries(network.buildArgs).flatMap(([name, value]) =>
    value.includes("@") ? [{ name: `the value of ${name}`, value }] : [],
  );
  const mirrors = network.secrets.map((value) => ({ name: "the address of a mirror", value }));
  return [...credentials, ...proxies, ...mirrors, ...caSecrets(network)];
}

function caSecrets(network: Network): Secret[] {
  const pem = network.files["dockerfiles/network/ca.pem"];
  if (!pem) return [];
  const known = new Set([...rootCertificates, ...packagedCas()].flatMap(certificateLines));
  return certificateLines(pem)
    .filter((line) => !known.has(line))
    .map((value) => ({ name: "a CA of the build's network", value }));
}

/** One line of each certificate in a PEM text. It is part of the signature, so no other certificate has it. */
function certificateLines(pem: string): string[] {
  return [...pem.matchAll(/-----BEGIN CERTIFICATE-----\s+([\s\S]+?)\s+-----END CERTIFICATE-----/g)].flatMap(
    ([, body]) => body!.split(/\s+/).slice(-3, -2),
  );
}

function packagedCas(): string[] {
  try {
    return readdirSync(PACKAGED_CAS, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
  } catch {
    return [];
  }
}
