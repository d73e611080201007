import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { REPOSITORY } from "../support/project.ts";

const sources = readdirSync(join(REPOSITORY, "pipeline"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path): [string, string] => [path, readFileSync(join(REPOSITORY, "pipeline", path), "utf8")]);

it.each<[string, RegExp, readonly string[]]>([
  // The second is of a container image.
  ["what a sha256 looks like", /0-9a-f\]\{64\}/, ["schema/digest.ts", "util/hash.ts"]],
  ["what images boot with", /"init\/(init|sshd_config)"/, ["schema/boot-files.ts"]],
  ["how an ext4 file system is made", /mke2fs -/, ["image/formats/ext4.ts"]],
  [
    "what makes an image of a root file system",
    /\bmakeExt4\(/,
    ["image/formats/ext4.ts", "image/rootfs/audited-image.ts"],
  ],
  ["zstd's window", /--long=\d/, []],
  ["how something is tried again", /2 \*\* \(/, ["util/retry.ts"]],
  [
    "who asks a server for bytes",
    /\bproxiedFetch\(/,
    [
      ...["client/load-manifest.ts", "stores/github/client.ts", "upstream/upstream.ts"],
      ...["util/download/http.ts", "util/download/ranges.ts", "util/download/redirect.ts", "util/http.ts"],
    ],
  ],
])("%s is said in one place", (_, pattern, places) => {
  expect(
    sources
      .filter(([, text]) => pattern.test(text))
      .map(([path]) => path)
      .sort(),
  ).toEqual(places);
});
