import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import Docker from "dockerode";
import { EnvHttpProxyAgent, fetch } from "undici";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildNetwork } from "../../pipeline/image/docker/network.ts";
import { importRootfs } from "../../pipeline/image/rootfs/source.ts";
import { APT_SNAPSHOT } from "../../pipeline/images.ts";
import { unwatched } from "../../pipeline/util/progress.ts";
import { REPOSITORY } from "../support/project.ts";

/**
 * The path by which packages come from the archive of one instant, as Dockerfiles take it: `dockerfiles/network/snapshot`, in
 * a container of Debian 13. apt's own settings lead it to a server on loopback, which has today's archive, with its
 * signatures, below that instant.
 */
let server: Server;
let url: string;
let image: string;
/** The addresses of Debian's archive, as the image has them, by their last part. */
const archive = new Map<string, string>();
const requests: string[] = [];

/** An archive of a test's own, whose lists were valid for a week in January: unsigned, so its source is trusted. */
const PACKAGES = `Package: p\nVersion: 1\nArchitecture: amd64\nFilename: p.deb\nSize: 1\nSHA256: ${"0".repeat(64)}\nDescription: p\n\n`;
const OLD = `Origin: Test\nLabel: Test\nSuite: x\nCodename: x\nDate: Thu, 01 Jan 2026 00:00:00 UTC
Valid-Until: Thu, 08 Jan 2026 00:00:00 UTC\nArchitectures: amd64\nComponents: main\nSHA256:
 ${createHash("sha256").update(PACKAGES).digest("hex")} ${PACKAGES.length} main/binary-amd64/Packages\n`;
const TODAY = OLD.replace(
  /^Date: .*$/m,
  `Date: ${new Date(Date.now() - 3_600_000).toUTCString().replace("GMT", "UTC")}`,
).replace(/^Valid-Until: .*\n/m, "");
const OWN: Readonly<Record<string, string>> = {
  "/own/live/dists/x/Release": TODAY,
  "/own/20260101T000000Z/dists/x/Release": OLD,
  "/own/live/dists/x/main/binary-amd64/Packages": PACKAGES,
  "/own/20260101T000000Z/dists/x/main/binary-amd64/Packages": PACKAGES,
};

beforeAll(async () => {
  const source = { from: "mmdebstrap", suite: "trixie" } as const;
  const network = buildNetwork({}, {});
  const options = {
    arch: "amd64",
    sourceDateEpoch: 1_791_158_400,
    network,
    cache: "",
    noCache: false,
  } as const;
  image = (await importRootfs(new Docker(), [source], options, unwatched())).image;
  const { output } = await inContainer("cat /etc/apt/sources.list.d/*.sources");
  for (const [, address] of output.matchAll(/^URIs: (\S+)$/gm)) {
    archive.set(address!.replace(/\/$/, "").split("/").at(-1)!, address!.replace(/\/$/, ""));
  }
  expect([...archive.keys()].sort()).toEqual(["debian", "debian-security"]);

  const dispatcher = new EnvHttpProxyAgent();
  server = createServer(async (request, response) => {
    const path = request.url ?? "";
    requests.push(path);
    const own = OWN[path];
    if (own !== undefined) return void response.end(own);
    const [, instant, name = "", rest] = /^\/(\w+)\/([\w-]+)\/+(.*)$/.exec(path) ?? [];
    const base = instant === APT_SNAPSHOT ? archive.get(name) : undefined;
    if (base === undefined) return void response.writeHead(404).end();
    const answer = await fetch(`${base}/${rest}`, { dispatcher });
    response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server?.closeAllConnections();
  server?.close();
});

const script = (name: string) => readFileSync(join(REPOSITORY, "dockerfiles/network", name), "utf8");

/** Runs shell commands in a container on this machine's network, which has the files of every build in /tmp/network. */
async function inContainer(commands: string, aptConf: readonly string[] = []) {
  const files = { env: script("env"), snapshot: script("snapshot"), "apt.conf": aptConf.join("\n") };
  const written = Object.entries(files).map(
    ([name, content]) => `cat >/tmp/network/${name} <<'EOF_'\n${content}\nEOF_`,
  );
  const child = spawn("docker", ["run", "--rm", "-i", "--network", "host", image, "sh", "-eu"]);
  child.stdin.end(
    `exec 2>&1\nmkdir -p /tmp/network\n${written.join("\n")}\nexport APT_CONFIG=/tmp/network/apt.conf\n` +
      `export DEBIAN_FRONTEND=noninteractive\n. /tmp/network/env\n. /tmp/network/snapshot\n${commands}\n`,
  );
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  const output = await text(child.stdout);
  return { exitCode: await exited, output };
}

/**
 * The settings that lead apt from Debian's dated archive to the server: by host as long as it has no lists, and by label once
 * it knows whose they are.
 */
const led = () => {
  const host = new URL(archive.get("debian")!).host;
  const to = `${url}/@SNAPSHOTID@`;
  return [
    `Acquire::Snapshots::URI::Host::${host} "${to}/@PATH@/";`,
    `Acquire::Snapshots::URI::Override::Label::Debian "${to}/debian/";`,
    `Acquire::Snapshots::URI::Override::Label::Debian-Security "${to}/debian-security/";`,
  ];
};

const INSTALL = "apt-get install -y --no-install-recommends hello; hello; apt-cache policy hello";
const LIVE = "[ ! -e /tmp/network/live ] || echo packages are live";

it("installs a package of the archive's instant, with its signatures checked", async () => {
  const { exitCode, output } = await inContainer(`apt_update ${APT_SNAPSHOT}\n${LIVE}\n${INSTALL}`, led());
  expect(exitCode, output).toBe(0);
  expect(output).toContain("Hello, world!");
  expect(output).not.toContain("packages are live");
  // The only place that it could come from.
  expect(output).toMatch(new RegExp(`^ +500 ${url}/${APT_SNAPSHOT}/debian trixie/main amd64 Packages$`, "m"));
  expect(output.match(/^ +500 /gm)).toHaveLength(1);
  expect(
    requests.filter((path) => /^\/\w+\/debian\/pool\/main\/h\/hello\/hello_.*\.deb$/.test(path)),
  ).toHaveLength(1);
});

it("says that an instant is missing, and marks what is installed instead", async () => {
  const { exitCode, output } = await inContainer(`apt_update 20200101T000000Z\n${LIVE}\n${INSTALL}`, led());
  expect(exitCode, output).toBe(0);
  expect(output).toMatch(/^E: .*20200101T000000Z.*$/m);
  expect(output).toContain(
    "the archive of 20200101T000000Z does not exist, or cannot be reached (see above): packages come from today's\n",
  );
  expect(output).toContain("packages are live");
  expect(output).toContain("Hello, world!");
});

it("takes lists of a day in the past, which were valid for a week", async () => {
  const own = `rm /etc/apt/sources.list.d/*\necho "deb [trusted=yes] ${url}/own/live x main" >/etc/apt/sources.list`;
  const settings = ["Host::127.0.0.1", "Override::Label::Test"].map(
    (which) => `Acquire::Snapshots::URI::${which} "${url}/own/@SNAPSHOTID@/";`,
  );
  const { exitCode, output } = await inContainer(
    `${own}\napt_update 20260101T000000Z\n${LIVE}\napt-cache policy p`,
    settings,
  );
  expect(exitCode, output).toBe(0);
  expect(output).not.toContain("packages are live");
  expect(output).toMatch(new RegExp(`^ +500 ${url}/own/20260101T000000Z x/main amd64 Packages$`, "m"));
});
