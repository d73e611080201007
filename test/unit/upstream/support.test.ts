import { describe, expect, it } from "vitest";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { supportOf } from "../../../pipeline/upstream/support.ts";
import { FileServer } from "../../support/file-server.ts";
import { declared, pinNamed, upstream } from "../../support/upstream/upstream.ts";

/** Releases as https://endoflife.date/docs/api/v1/ describes them, with fields that nobody reads. */
async function endoflife(product: string, releases: readonly object[]): Promise<FileServer> {
  const server = await FileServer.start();
  const body = { schema_version: "1.2.1", result: { name: product, releases } };
  server.files.set(`/api/v1/products/${product}/`, Buffer.from(JSON.stringify(body)));
  return server;
}
const UBUNTU = [
  { name: "26.10", isLts: false, releaseDate: "2026-10-15", eolFrom: "2027-07-15", isEol: false },
  { name: "26.04", isLts: true, releaseDate: "2026-04-23", eolFrom: "2031-04-30", isEol: false },
  { name: "25.10", isLts: false, releaseDate: "2025-10-09", eolFrom: "2026-07-01", isEol: true },
  { name: "24.04", isLts: true, releaseDate: "2024-04-25", eolFrom: "2029-06-30", isEol: false },
];

describe("a release's end of support", () => {
  it("is what endoflife.date says", async () => {
    const server = await endoflife("ubuntu", UBUNTU);
    const asked = upstream({ addresses: { endoflife: server.url } });
    expect(await supportOf(asked, { product: "ubuntu", release: "24.04" })).toEqual({
      ...{ until: "2029-06-30", source: "endoflife.date" },
    });
    // Several pins are of one product.
    await supportOf(asked, { product: "ubuntu", release: "26.04" });
    expect(server.requests).toHaveLength(1);
  });

  it("has passed where endoflife.date says so without a day", async () => {
    const server = await endoflife("debian", [
      { name: "12", isLts: true, releaseDate: "2023-06-10", eolFrom: null, isEol: true },
      { name: "13", isLts: true, releaseDate: "2025-08-09", eolFrom: null, isEol: false },
    ]);
    const asked = upstream({ addresses: { endoflife: server.url } });
    expect(await supportOf(asked, { product: "debian", release: "12" })).toEqual({
      ...{ until: undefined, ended: true, source: "endoflife.date" },
    });
    expect(await supportOf(asked, { product: "debian", release: "13" })).toEqual({
      ...{ until: undefined, source: "endoflife.date" },
    });
  });

  it("is that of the table, with its day, if that cannot be asked", async () => {
    const server = await FileServer.start();
    const asked = upstream({ addresses: { endoflife: server.url } });
    expect(await supportOf(asked, { product: "alpine-linux", release: "3.20" })).toEqual({
      until: "2026-04-01",
      source: expect.stringMatching(/^endoflife-date\/endoflife\.date@\w+, 2026-08-22$/),
    });
    expect((await supportOf(asked, { product: "debian", release: "14" })).until).toBeUndefined();
  });
});

describe("a distribution", () => {
  const ubuntu = declared({
    flavor: Flavor.ubuntu({
      ...{ version: "24.04", image: "x:1@sha256:".padEnd(75, "0"), snapshot: "20261120T000000Z" },
    }),
  });

  it("with long support is compared with its own kind, and never moved automatically", async () => {
    const server = await endoflife("ubuntu", UBUNTU);
    const pin = pinNamed(ubuntu, "ubuntu");
    expect(pin.supported).toEqual({ product: "ubuntu", release: "24.04" });
    expect(await pin.newest(upstream({ addresses: { endoflife: server.url } }))).toEqual({
      ...{ version: "26.04", behind: { versions: 1, days: 728 } },
    });
  });

  it("is not behind one that is only announced", async () => {
    const later = { name: "28.04", isLts: true, releaseDate: "2028-04-20", eolFrom: "2033-04-30" };
    const server = await endoflife("ubuntu", [later, UBUNTU[3]!]);
    expect(
      await pinNamed(ubuntu, "ubuntu").newest(upstream({ addresses: { endoflife: server.url } })),
    ).toEqual({
      version: "24.04",
    });
  });

  it("is unknown without an answer", async () => {
    const server = await endoflife("ubuntu", [UBUNTU[0]!]);
    const options = { addresses: { endoflife: server.url } };
    await expect(pinNamed(ubuntu, "ubuntu").newest(upstream(options))).rejects.toThrow(
      "endoflife.date: it does not know ubuntu 24.04",
    );
  });
});
