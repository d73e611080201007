/**
 * Lists what our Debian base leaves out of Debian's cloud image, and writes `docs/contents.md`: `npm run bench -- contents`.
 * `bench/contents/listing.json` keeps the listing, from which a test makes the page again without a network.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildImage, copyOut } from "../pipeline/image/docker/container-image.ts";
import type { BaseCell } from "../pipeline/schema/cells.ts";
import { type Chosen, type Listing, page } from "./contents/render.ts";
import { openBench, run } from "./shared/workshop.ts";

const { root, cells, network, workshop } = await openBench();
const base = cells.cells.find(({ id }) => id === "base-amd64-debian") as BaseCell;
const tag = `smolvm/contents:${process.pid}`;
const directory = await mkdtemp(join(tmpdir(), "smolvm-contents-"));
try {
  await buildImage(
    workshop.docker,
    {
      dockerfile: "bench/contents/Dockerfile",
      files: [
        ...["env", "snapshot"].map((name) => `dockerfiles/network/${name}`),
        ...["cloud-packages", "resolve"].map((name) => `bench/contents/${name}`),
      ],
      ...{ arch: "amd64", tag, args: { TOOLS: workshop.tools, OURS: base.made_from.packages! } },
      ...{ root, network, noCache: false },
    },
    run,
  );
  await copyOut(workshop.docker, tag, "/contents/out", directory);
  const chosen = async (name: string): Promise<Chosen[]> =>
    (await readFile(join(directory, name), "utf8"))
      .trimEnd()
      .split("\n")
      .map((line) => line.split(" "))
      .map(([name, version, kib]) => [name!, version!, Number(kib)]);
  const listing: Listing = {
    snapshot: base.made_from.snapshot!,
    cloud: await chosen("cloud"),
    ours: await chosen("ours"),
  };
  const lines = (packages: readonly Chosen[]) =>
    packages.map((each) => `    ${JSON.stringify(each)}`).join(",\n");
  await writeFile(
    join(root, "bench/contents/listing.json"),
    `{\n  "snapshot": ${JSON.stringify(listing.snapshot)},\n  "cloud": [\n${lines(listing.cloud)}\n  ],\n  "ours": [\n${lines(listing.ours)}\n  ]\n}\n`,
  );
  await writeFile(join(root, "docs/contents.md"), page(listing, base));
} finally {
  await rm(directory, { recursive: true });
  await workshop.docker
    .getImage(tag)
    .remove({ force: true })
    .catch(() => {});
}
