import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeEach, describe, expect, it } from "vitest";
import { buildsCells } from "../../../pipeline/client/bundled.ts";
import { lookUp } from "../../../pipeline/client/local-store.ts";
import { findBase, findImage, findKernel } from "../../../pipeline/client/manifest.ts";
import type { KernelCell, PresetCell } from "../../../pipeline/schema/cells.ts";
import { manifestOf, manifestText } from "../../../pipeline/schema/manifest.ts";
import { assetUrl } from "../../../pipeline/schema/names.ts";
import { hostArch } from "../../../pipeline/vm/accel.ts";
import {
  CHECKOUT_CELLS,
  copyCheckout,
  kernelFacts,
  makeCheckout,
  rootfsFacts,
  stage,
} from "../../support/checkout.ts";
import { command } from "../../support/project.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";

const arch = hostArch();
const cells = CHECKOUT_CELLS;
const kernel = cells.cells.find((each): each is KernelCell => each.id === `kernel-${arch}`)!;
const agent = (flavor: string) =>
  cells.cells.find((each): each is PresetCell => each.id === `agent-${arch}-${flavor}`)!;
const WIRE = Buffer.from("a packed root file system");
const KERNEL = Buffer.from("a kernel");
const AGENT = { preset: "agent", flavor: "debian" };

let root: string;
beforeEach(() => {
  root = makeCheckout();
});

const stageKernel = () => stage(root, kernelFacts(kernel, "image", KERNEL), KERNEL);
const stageAgent = (flavor = "debian") => stage(root, rootfsFacts(agent(flavor), WIRE), WIRE);
/** What is published, whatever it is called. */
const PUBLISHED = {
  ...{ sha256: "b".repeat(64), size: 7, image_sha256: "c".repeat(64), image_size: 9, content_size: 8 },
  sbom: { asset: "x.cdx.json", sha256: "d".repeat(64), size: 1 },
};
/** Writes a manifest in which assets are published, and says what their hashes are. */
function publish(...assets: string[]): string {
  const published = Object.fromEntries(assets.map((asset) => [asset, PUBLISHED]));
  const manifest = manifestOf(cells, { tag: cells.tag, assets: published });
  writeFileSync(join(root, "out/manifest.json"), manifestText(manifest));
  return PUBLISHED.sha256;
}
const find = (query = AGENT, run = recordedRun()) =>
  lookUp((manifest) => findImage(manifest, { ...query, arch }), run, root);

describe("what a checkout has built", () => {
  it("is found without a manifest of it", async () => {
    const [image, rootfs] = [stageKernel(), stageAgent()];
    const run = recordedRun();
    expect(await find(AGENT, run)).toMatchObject({
      kernel: { url: pathToFileURL(image).href, size: KERNEL.length },
      rootfs: { url: pathToFileURL(rootfs).href, size: WIRE.length },
    });
    expect(run.warnings).toEqual([]);
  });

  it("is offered beside what is published, and in its place where both have it", async () => {
    const [base] = cells.cells.find(({ id }) => id === `base-${arch}-ubuntu`)!.assets;
    const [ubuntu] = agent("ubuntu").assets;
    const sha256 = publish(base!, ubuntu!, ...kernel.assets);
    const built = stageKernel();
    stageAgent();
    const url = (asset: string) => assetUrl(cells.repository, cells.tag, asset);
    const found = await find({ preset: "agent", flavor: "ubuntu" });
    const image = { sha256: PUBLISHED.image_sha256, size: 9, contentSize: 8 };
    expect(found.rootfs).toEqual({ url: url(ubuntu!), sha256, size: 7, image });
    expect(found.kernel.url).toBe(pathToFileURL(built).href);
    const bare = await lookUp(
      (manifest) => findBase(manifest, { arch, flavor: "ubuntu", vmm: "firecracker" }),
      recordedRun(),
      root,
    );
    expect(bare.rootfs.url).toBe(url(base!));

    stageAgent("ubuntu");
    expect((await find({ preset: "agent", flavor: "ubuntu" })).rootfs.size).toBe(WIRE.length);
  });

  it.each<[string, (path: string) => void]>([
    ["facts that are cut off", (path) => writeFileSync(`${path}.json`, '{"schema_version": 1, ')],
    [
      "facts of another asset",
      (path) =>
        writeFileSync(
          `${path}.json`,
          readFileSync(`${path}.json`, "utf8").replace('"asset":"agent', '"asset":"other'),
        ),
    ],
    [
      "facts that are a directory",
      (path) => {
        rmSync(`${path}.json`);
        mkdirSync(`${path}.json`);
      },
    ],
    ["no bytes", (path) => rmSync(path)],
    ["other bytes", (path) => writeFileSync(path, "short")],
    [
      "a directory in the place of bytes",
      (path) => {
        rmSync(path);
        mkdirSync(path);
      },
    ],
  ])("is not offered where there is %s, and said once", async (_, damage) => {
    stageKernel();
    const rootfs = stageAgent();
    damage(rootfs);
    const run = recordedRun();
    await expect(find(AGENT, run)).rejects.toThrow(`${cells.tag} has no images`);
    expect(run.warnings).toEqual([
      `${join(root, "out/release", cells.tag)}: not offered, because damaged or of another version of the pipeline: agent-${arch}-debian-rootfs.ext4.zst; rebuild with \`npx smolvm-images cell\``,
    ]);
    const { url } = await lookUp((manifest) => findKernel(manifest, arch, "image"), recordedRun(), root);
    expect(url).toMatch(/^file:/);
  });

  it("is nothing, with a warning, where the store or the cells are damaged", async () => {
    const sha256 = publish(...kernel.assets);
    mkdirSync(join(root, "out/release"), { recursive: true });
    writeFileSync(join(root, "out/release", cells.tag), "a file");
    const look = (run: ReturnType<typeof recordedRun>) =>
      lookUp((manifest) => findKernel(manifest, arch, "image"), run, root);
    const run = recordedRun();
    expect(await look(run)).toMatchObject({ sha256 });
    expect(run.warnings).toEqual([expect.stringContaining(`${cells.tag}: ENOTDIR`)]);

    writeFileSync(join(root, "out/cells.json"), "[]");
    const next = recordedRun();
    expect(await look(next)).toMatchObject({ sha256 });
    expect(next.warnings).toEqual([expect.stringContaining("out/cells.json is damaged")]);
  });

  it("is not looked for in a package that was installed", async () => {
    expect(buildsCells(root)).toBe(true);
    root = makeCheckout("node_modules/smolvm-images");
    stageKernel();
    stageAgent();
    const error = await find().catch((reason) => reason);
    expect(error.message).toMatch(/has no images; .*--manifest$/);
  });
});

describe("smolvm and ImageBuilder in a checkout", () => {
  /** Runs a program of a copy of this checkout, in another directory. */
  const run = async (args: readonly string[], directory = tempDirectory()) =>
    await command([process.execPath, ...args], {
      root: directory,
      env: { SMOLVM_CACHE: join(root, "cache"), DOCKER_HOST: "unix:///nowhere/docker.sock" },
    });
  const smolvm = (...args: string[]) => run([join(root, "bin/smolvm.js"), ...args]);
  const store = () => join(root, "out/release", cells.tag);

  it("say how to build what is not there, and then find it without a flag, from anywhere", async () => {
    root = copyCheckout();
    const missing = await smolvm("agent", "start", "--flavor", "debian");
    expect(missing.stderr).toBe(
      `error: ${cells.tag} has no images; give another manifest with ` +
        `--manifest; to build it here: \`npx smolvm-images cell kernel-${arch} agent-${arch}-debian\`\n`,
    );
    const packed = spawnSync("zstd", ["-q", "-c"], { input: "a file system" }).stdout;
    stageKernel();
    stage(root, rootfsFacts(agent("debian"), packed, Buffer.from("a file system")), packed);

    const pulled = await smolvm("pull", "agent", "--flavor", "debian");
    expect(pulled.exitCode, pulled.stderr).toBe(0);
    expect(pulled.stderr).toMatch(
      new RegExp(`^- using the kernel and the image built in this checkout: ${store()}\\n[^]*downloaded\\n$`),
    );
    const [kernelPath, rootfsPath] = pulled.stdout.trim().split("\n");
    expect(readFileSync(kernelPath!)).toEqual(KERNEL);
    expect(readFileSync(rootfsPath!, "utf8")).toBe("a file system");

    const listed = await smolvm("images");
    expect(listed.stdout).toMatch(
      new RegExp(`^image.* from\\nagent +debian +${arch} +1 kB +\\d+ kB +${store()}\\n$`),
    );
    // What one names oneself has no part of it.
    for (const own of [
      ["--mirror", store()],
      ["--manifest", join(root, "out/manifest.json")],
    ]) {
      const refused = await smolvm("pull", "agent", "--flavor", "debian", ...own);
      expect(refused.stderr).toMatch(/has no images; .*--manifest\n$/);
    }
  });

  it("refuse bytes that are not what their facts say, and say what to do", async () => {
    root = copyCheckout();
    writeFileSync(stageKernel(), "a kernal");
    stageAgent();
    const refused = await smolvm("pull", "agent", "--flavor", "debian");
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toMatch(
      /error: cannot fetch \S+vmlinux-\S+\.image: its sha256 is .*: rebuild its cell with .* --no-cache`$/m,
    );
  });

  it("take the kernel that was built, and miss nothing but Docker", async () => {
    root = copyCheckout();
    const image = stageKernel();
    const script = join(root, "build.ts");
    writeFileSync(
      script,
      `import { ImageBuilder, qemuKernelUrlForHost } from "./pipeline/builder/index.ts";
      console.log(await qemuKernelUrlForHost());
      const error = await new ImageBuilder({ cacheDir: "${root}/images" }).buildAlpineSsh().catch((reason) => reason);
      console.log(error.failure);`,
    );
    const { stdout } = await run(["--import", "tsx", script], root);
    expect(stdout).toBe(`${pathToFileURL(image).href}\ndocker\n`);
  });

  it("say that there is no kernel, and how to build one", async () => {
    root = copyCheckout();
    const script = join(root, "build.ts");
    writeFileSync(
      script,
      `import { ImageBuilder } from "./pipeline/builder/index.ts";
      const error = await new ImageBuilder({ cacheDir: "${root}/images" }).buildAlpineSsh().catch((reason) => reason);
      console.log(error.failure, error.message);`,
    );
    const { stdout } = await run(["--import", "tsx", script], root);
    expect(stdout).toMatch(
      new RegExp(`^kernel test-v1 has no kernel for ${arch} .*\`npx smolvm-images cell kernel-${arch}\`\\n$`),
    );
  });
});

describe("what is missing in a checkout", () => {
  it("is said with the command that builds it", async () => {
    const both = `to build it here: \`npx smolvm-images cell kernel-${arch} agent-${arch}-debian\``;
    await expect(find()).rejects.toThrow(both);
    stageKernel();
    await expect(find()).rejects.toThrow(`to build it here: \`npx smolvm-images cell agent-${arch}-debian\``);
    await expect(
      lookUp((manifest) => findBase(manifest, { arch, flavor: "debian" }), recordedRun(), root),
    ).rejects.toThrow(`\`npx smolvm-images cell base-${arch}-debian\``);
    stageAgent();
    await expect(find({ preset: "other", flavor: "ubuntu" })).rejects.toThrow(
      `${cells.tag} has no preset "other"; it has: agent; to build it here: \`npx smolvm-images cell other-${arch}-ubuntu\``,
    );
  });

  it("is said without one where no cell makes it, or none here can", async () => {
    for (const query of [
      { ...AGENT, preset: "agnet" },
      { ...AGENT, preset: "other" },
    ]) {
      await expect(find(query)).rejects.toThrow(/--manifest$/);
    }
    const other = arch === "amd64" ? "arm64" : "amd64";
    const foreign = (manifest: Parameters<typeof findImage>[0]) =>
      findImage(manifest, { ...AGENT, arch: other });
    await expect(lookUp(foreign, recordedRun(), root)).rejects.toThrow(/--manifest$/);
    const kernelOf = (manifest: Parameters<typeof findKernel>[0]) => findKernel(manifest, other, "image");
    await expect(lookUp(kernelOf, recordedRun(), root)).rejects.toThrow(
      `npx smolvm-images cell kernel-${other}`,
    );
  });
});
