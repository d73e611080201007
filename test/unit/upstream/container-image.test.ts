import { expect, it } from "vitest";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { Registry } from "../../support/upstream/registry.ts";
import { declared, pinNamed, upstream, written } from "../../support/upstream/upstream.ts";

const flavor = (image: string) => Flavor.alpine({ version: "3.24", image });

it("a tag that was made again is behind by days, and is written wherever it is pinned", async () => {
  const registry = await Registry.start();
  const name = `${registry.host}/library/image`;
  const before = registry.push(name, "3.24", { created: "2026-10-01T00:00:00Z" });
  const after = registry.push(name, "3.24", { created: "2026-10-13T12:00:00Z" });
  const tools = `ARG ROOTFS=${before}\nFROM x\n`;
  const project = declared(
    { flavor: flavor(before) },
    {
      "images.ts": 'import * as pins from "./pins.ts";\n',
      "pins.ts": `export const IMAGE = "${before}";\n`,
      "dockerfiles/tools/Dockerfile": tools,
    },
  );
  const pin = pinNamed(project, "alpine image");
  const newest = await pin.newest(upstream());
  expect(pin.pinned).toBe(before.slice(-64, -52));
  expect(newest).toMatchObject({ version: after.slice(-64, -52), behind: { days: 13 } });
  expect(newest.changed).toBeUndefined();
  expect(await written(project, newest)).toEqual({
    "pins.ts": `export const IMAGE = "${after}";\n`,
    "dockerfiles/tools/Dockerfile": tools.replace(before, after),
  });
  // The digest comes with a HEAD, which Docker Hub does not count.
  expect(registry.requests[0]).toBe("HEAD /v2/library/image/manifests/3.24");
});

it("a tag that is a version is behind by versions, which it reads from every page of the list", async () => {
  const registry = await Registry.start();
  const name = `${registry.host}/library/image`;
  const before = registry.push(name, "0.12.16", { created: "2026-09-18T00:00:00Z" });
  for (const tag of ["0.12.17", "0.13.0", "0.14.0-rc.1", "latest"]) {
    registry.push(name, tag, { created: "2026-10-18T00:00:00Z" });
  }
  const project = declared(
    { flavor: flavor("x:1@sha256:".padEnd(75, "0")), uv: before },
    { "images.ts": `"${before}"` },
  );
  const newest = await pinNamed(project, "uv image").newest(upstream());
  expect(newest).toMatchObject({ version: "0.13.0", behind: { versions: 2, days: 30 } });
  expect(Object.values(await written(project, newest))[0]).toMatch(/:0\.13\.0@sha256:/);
});

it("a list of tags without an end leaves a version unknown", async () => {
  const registry = await Registry.start();
  const name = `${registry.host}/library/image`;
  const image = registry.push(name, "0.12.16", { created: "2026-09-18T00:00:00Z" });
  registry.endless = true;
  const project = declared({ flavor: flavor("x:1@sha256:".padEnd(75, "0")), uv: image });
  await expect(pinNamed(project, "uv image").newest(upstream())).rejects.toThrow(
    /library\/image: it has more than 50 pages of tags$/,
  );
});

it("a tag of a version with a variant is compared by its digest", async () => {
  const registry = await Registry.start();
  const image = registry.push(`${registry.host}/library/image`, "24.1.0-slim", {
    created: "2026-10-01T00:00:00Z",
  });
  registry.push("x", "24.2.0", { created: "2026-10-02T00:00:00Z" });
  const pin = pinNamed(declared({ flavor: flavor(image) }), "alpine image");
  expect(await pin.newest(upstream())).toEqual({ version: image.slice(-64, -52) });
});

it("Docker Hub is asked for images without a host", async () => {
  const registry = await Registry.start();
  const image = registry.push("alpine", "3.24", { created: "2026-10-01T00:00:00Z" });
  const pin = pinNamed(declared({ flavor: flavor(image) }), "alpine image");
  expect(await pin.newest(upstream({ addresses: { dockerHub: registry.url } }))).toEqual({
    version: image.slice(-64, -52),
  });
  expect(registry.requests).toContain("HEAD /v2/library/alpine/manifests/3.24");
});

it("a tag that has an older image than the pinned one is unknown", async () => {
  const registry = await Registry.start();
  const name = `${registry.host}/library/image`;
  const pinned = registry.push(name, "3.24", { created: "2026-10-31T00:00:00Z" });
  registry.push(name, "3.24", { created: "2026-10-01T00:00:00Z" });
  await expect(
    pinNamed(declared({ flavor: flavor(pinned) }), "alpine image").newest(upstream()),
  ).rejects.toThrow(/library\/image:3\.24: the tag has an older image now than the pinned one$/);
});

it("a flavor's image stays within the flavor's release", async () => {
  const registry = await Registry.start();
  const name = `${registry.host}/library/image`;
  const [pinned, next] = ["3.24.2", "3.24.3", "3.240.0", "3.25.0", "4.0.0"].map((tag) =>
    registry.push(name, tag, { created: "2026-10-18T00:00:00Z" }),
  );
  const project = declared({ flavor: flavor(pinned!) }, { "images.ts": `"${pinned}"` });
  const newest = await pinNamed(project, "alpine image").newest(upstream());
  expect(newest).toMatchObject({ version: "3.24.3", behind: { versions: 1 } });
  expect(await written(project, newest)).toEqual({ "images.ts": `"${next}"` });
});

it("a flavor's image of another release than the flavor's is unknown", async () => {
  const image = `alpine:3.23.4@sha256:${"0".repeat(64)}`;
  await expect(
    pinNamed(declared({ flavor: flavor(image) }), "alpine image").newest(upstream()),
  ).rejects.toThrow(/: its tag is no version of 3\.24$/);
});

it("another digest for the same version is no newer version, but said", async () => {
  const registry = await Registry.start();
  const name = `${registry.host}/library/image`;
  const before = registry.push(name, "0.12.16", { created: "2026-09-18T00:00:00Z" });
  const after = registry.push(name, "0.12.16", { created: "2026-09-19T00:00:00Z" });
  const project = declared({ flavor: flavor("x:1@sha256:".padEnd(75, "0")), uv: before });
  expect(await pinNamed(project, "uv image").newest(upstream())).toEqual({
    version: "0.12.16",
    changed: `${name}:0.12.16 has the digest ${after.slice(-71)} now`,
  });
});

it.each<[string, (registry: Registry) => void, RegExp]>([
  ["no tag of that name", () => {}, /manifests\/3\.24: HTTP 404 Not Found$/],
  [
    "no sha256",
    (registry) => {
      registry.push("x", "3.24", { created: "2026-10-13T00:00:00Z" });
      registry.told = "sha512:abc";
    },
    /the answer has no sha256 in Docker-Content-Digest$/,
  ],
  [
    "a digest of other bytes",
    (registry) => {
      registry.push("x", "3.24", { created: "2026-10-13T00:00:00Z" });
      registry.told = `sha256:${"f".repeat(64)}`;
    },
    /HTTP 404 Not Found$/,
  ],
  [
    "bytes that are not those of the digest",
    (registry) => {
      registry.push("x", "3.24", { created: "2026-10-13T00:00:00Z" });
      registry.added = " ";
    },
    /manifests\/sha256:[0-9a-f]{64}: its digest is sha256:[0-9a-f]{64}$/,
  ],
  [
    "an image that is not for arm64",
    (registry) => void registry.push("x", "3.24", { created: "2026-10-13T00:00:00Z", archs: ["amd64"] }),
    /library\/image:3\.24: it is not for arm64$/,
  ],
  [
    "a token that it does not take",
    (registry) => {
      registry.open = false;
    },
    /HTTP 401 Unauthorized$/,
  ],
])("does not know what is newest from a registry with %s", async (_, arrange, reason) => {
  const registry = await Registry.start();
  arrange(registry);
  const image = `${registry.host}/library/image:3.24@sha256:${"0".repeat(64)}`;
  const pin = pinNamed(declared({ flavor: flavor(image) }), "alpine image");
  await expect(pin.newest(upstream())).rejects.toThrow(reason);
});
