import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import seeds from "@sigstore/tuf/seeds.json" with { type: "json" };
import { expect, it } from "vitest";
import { parseTrustedRoot, trustedRoot } from "../../../pipeline/attestation/trusted-root.ts";
import { REPOSITORY } from "../../support/project.ts";
import { tempDirectory } from "../../support/run.ts";
import { OwnSigstore } from "../../support/sigstore.ts";

it("the default is the root that sigstore's own package embeds", async () => {
  const embedded = seeds["https://tuf-repo-cdn.sigstore.dev"].targets["trusted_root.json"];
  const path = join(REPOSITORY, "pipeline/attestation/trusted_root.json");
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(
    JSON.parse(Buffer.from(embedded, "base64").toString("utf8")),
  );
  const { instances } = await trustedRoot();
  expect(instances).toHaveLength(1);
  expect(instances[0]!.issuers.map(({ subject }) => subject)).toContain("O=sigstore.dev\nCN=sigstore");
  expect(instances[0]!.material.tlogs.map(({ baseURL }) => baseURL)).toContain("https://rekor.sigstore.dev");
});

it("a file has one root, or one on each line", async () => {
  const path = join(tempDirectory(), "root.json");
  const [one, two] = [await OwnSigstore.create(), await OwnSigstore.create({ logs: false })];
  writeFileSync(path, JSON.stringify(JSON.parse(one.trustedRoot()), undefined, 2));
  expect((await trustedRoot(path)).instances).toHaveLength(1);
  writeFileSync(path, `${one.trustedRoot()}\n${two.trustedRoot()}\n`);
  const found = await trustedRoot(path);
  expect(found.name).toBe(path);
  expect(found.instances.map(({ material }) => material.tlogs.length)).toEqual([1, 0]);
});

it("a file that is missing, too large or no root is refused on one line, with what to do", async () => {
  const path = join(tempDirectory(), "root.json");
  const fix = "give the path of a trusted_root.json";
  await expect(trustedRoot(path)).rejects.toMatchObject({
    message: `cannot read the trusted root ${path} (no such file or directory): ${fix}`,
    code: "not-readable",
  });
  writeFileSync(path, " ".repeat((1 << 20) + 1));
  await expect(trustedRoot(path)).rejects.toThrow("(it is larger than 1048576 bytes)");
  const { certificateAuthorities, ...rest } = JSON.parse((await OwnSigstore.create()).trustedRoot());
  const broken = [{ certChain: { certificates: [{ rawBytes: "AAAA" }] } }];
  for (const [text, why] of [
    ["", "it is not JSON: "],
    ["{}\nx", "it is not JSON: "],
    ["null", ""],
    ["{}", "it has no certificate authority"],
    [JSON.stringify(rest), "it has no certificate authority"],
    [JSON.stringify({ certificateAuthorities }), "it has no transparency log and no timestamp authority"],
    [JSON.stringify({ ...rest, certificateAuthorities: broken }), ""],
    [JSON.stringify({ ...rest, certificateAuthorities: [{}] }), ""],
  ] as const) {
    expect(() => parseTrustedRoot(text, "x.json"), text).toThrow(
      expect.objectContaining({
        code: "invalid-input",
        problem: expect.stringContaining(`x.json is not a trusted root of sigstore (${why}`),
        fix,
      }),
    );
  }
});
