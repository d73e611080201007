import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { startProxy } from "../proxy.ts";
import { tempDirectory } from "../run.ts";

/** A server on loopback that answers for https://github.com to whoever uses this environment. */
export interface DownloadServer {
  /** By path, with the slash in front. */
  readonly files: Map<string, Buffer>;
  /** The paths that were asked for, in order. */
  readonly requests: string[];
  readonly env: NodeJS.ProcessEnv;
}

/** Serves files as github.com does: over HTTPS, with a certificate of a test's own CA, through a proxy. */
export async function startDownloads(): Promise<DownloadServer> {
  const directory = tempDirectory();
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const names = ["-subj", "/CN=github.com", "-addext", "subjectAltName=DNS:github.com"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  execFileSync("openssl", ["req", "-x509", ...curve, "-keyout", key, "-out", cert, "-days", "2", ...names], {
    stdio: "pipe",
  });
  const files = new Map<string, Buffer>();
  const requests: string[] = [];
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    requests.push(request.url ?? "");
    const body = files.get(request.url ?? "");
    if (body) response.writeHead(200, { "content-length": body.length }).end(body);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const proxy = await startProxy((server.address() as AddressInfo).port);
  const env = { HTTPS_PROXY: proxy.url, https_proxy: proxy.url, NO_PROXY: "", no_proxy: "" };
  return { files, requests, env: { ...env, NODE_EXTRA_CA_CERTS: cert } };
}
