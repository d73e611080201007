import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { x } from "tinyexec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { blocks, commands, ELSEWHERE, textOf } from "../support/documents.ts";
import { REPOSITORY } from "../support/project.ts";

/**
 * A stranger's project: the package's tarball in an empty directory, and docs/own-repository.md to the letter.
 */
const PAGE = "docs/own-repository.md";
const HEADING = "In your own repository";
const work = mkdtempSync(join(tmpdir(), "smolvm-package-"));
const checkout = join(work, "smolvm");
const project = join(work, "images");
const home = join(work, "home");
const section = blocks(textOf(PAGE)).filter(({ heading }) => heading === HEADING);
const [pack = "", install = "", ...rest] = commands(textOf(PAGE))
  .filter(({ heading }) => heading === HEADING)
  .map(({ line }) => line);

/** Runs a line as typed into a shell, by a user who has nothing set up. */
async function type(line: string, cwd = project): Promise<string> {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|VITEST|NODE_|GITHUB_|SMOLVM_)/i.test(name),
  );
  const { exitCode, stdout, stderr } = await x("bash", ["-c", line], {
    nodeOptions: {
      cwd,
      env: { ...Object.fromEntries(own), HOME: home, npm_config_registry: process.env.npm_config_registry },
    },
  });
  expect(exitCode, `$ ${line}\n${stdout}${stderr}`).toBe(0);
  return stdout;
}

const read = (path: string) => readFileSync(join(project, path), "utf8");
/** Every file that synth has written, path to text. */
const generated = () =>
  read(".gitattributes")
    .split("\n")
    .flatMap((line) => /^\/(\S+) /.exec(line)?.[1] ?? [])
    .map((path) => [path, read(path)]);

beforeAll(async () => {
  for (const directory of [checkout, project, home]) mkdirSync(directory);
  const listed = await x("git", ["-C", REPOSITORY, "ls-files", "--cached", "--others", "--exclude-standard"]);
  for (const path of listed.stdout.split("\n").filter((path) => existsSync(join(REPOSITORY, path)))) {
    if (path === "") continue;
    mkdirSync(dirname(join(checkout, path)), { recursive: true });
    cpSync(join(REPOSITORY, path), join(checkout, path));
  }
  symlinkSync(join(REPOSITORY, "node_modules"), join(checkout, "node_modules"));
  // A kernel is compiled once for its inputs, which takes minutes.
  const kernels = join(REPOSITORY, "out/cache/kernels");
  mkdirSync(kernels, { recursive: true });
  mkdirSync(join(project, "out/cache"), { recursive: true });
  symlinkSync(kernels, join(project, "out/cache/kernels"));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

it("the documents say which test follows the page", () => {
  expect(ELSEWHERE[HEADING]).toBe("test/e2e/package.test.ts");
});

it("packs what is compiled, with its recipes, and no tests", async () => {
  await type(pack, checkout);
  const { stdout } = await x("bash", ["-c", `tar tzf ${checkout}/*.tgz | sed s#package/##`]);
  const paths = stdout.trim().split("\n");
  for (const path of ["LICENSE", "init/init", "dockerfiles/tools/package-lock.json", "template/gitignore"]) {
    expect(paths).toContain(path);
  }
  expect(paths.filter((path) => /(^|\/)test|\.test\.|listings|bench/.test(path))).toEqual([]);
  const sources = paths.filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"));
  expect(sources.sort()).toEqual(["pipeline/pins.ts", "template/images.ts"]);
});

describe("in an empty directory", () => {
  beforeAll(async () => await type(install));

  it("the client loads neither Docker nor constructs", async () => {
    const heavy = ["dockerode", "constructs", "@octokit", "typescript", "tsx"];
    for (const name of heavy) await type(`mv node_modules/${name} node_modules/.${name.replace("/", "-")}`);
    try {
      expect(
        await type(`node -e 'import("smolvm-images").then((m) => console.log(typeof m.ensureImage))'`),
      ).toBe("function\n");
      expect(await type("npx --no -- smolvm --help")).toContain("smolvm");
    } finally {
      for (const name of heavy) await type(`mv node_modules/.${name.replace("/", "-")} node_modules/${name}`);
    }
  });

  it("the section is followed to the letter: a cell is built and booted, and the client starts it", async () => {
    const outputs: string[] = [];
    for (const line of rest) outputs.push(await type(line));
    expect(outputs.at(-1)).toMatch(/^Linux /);
    expect(read("package.json")).toContain('"synth": "smolvm-images synth"');
  });

  it("its README's commands work as well", async () => {
    for (const { line } of commands(read("README.md"))) await type(line);
  });

  it("synth writes the same bytes again", async () => {
    const before = generated();
    expect(before.length).toBeGreaterThan(5);
    for (const [path = ""] of before) rmSync(join(project, path));
    await type("npm run synth");
    expect(generated()).toEqual(before);
  });

  it("all that a signature names is exported, and strict TypeScript accepts it without skipLibCheck", async () => {
    writeFileSync(
      join(project, "all.ts"),
      ["", "/constructs", "/builder"]
        .map(
          (entry, index) =>
            `import * as all${index} from "smolvm-images${entry}";\nexport const a${index} = { ...all${index} };\n`,
        )
        .join(""),
    );
    const options =
      "--strict --declaration --emitDeclarationOnly --outDir out/types --module nodenext --target es2023";
    await type(`npx tsc --ignoreConfig ${options} all.ts`);
    const declared = read("out/types/all.d.ts");
    expect(declared).toContain("ensureImage");
    // What is not exported could be named by its file alone.
    expect(declared).not.toContain("smolvm-images/dist");
    rmSync(join(project, "all.ts"));
  });

  it.each(section.filter(({ language }) => language === "js").map(({ lines }) => [lines.join("\n")]))(
    "the client is a plain JavaScript library:\n%s",
    async (text) => {
      writeFileSync(join(project, "start.mjs"), text);
      expect(await type("node start.mjs")).toMatch(/^Linux /);
    },
  );

  it.each(section.filter(({ language }) => language === "ts").map(({ lines }) => [lines.join("\n")]))(
    "the page's declaration synthesises:\n%s",
    async (text) => {
      writeFileSync(join(project, "images.ts"), text);
      await type("npm run synth");
      expect(await type("npm run -s list")).toContain("codex-amd64-debian");
      expect(await type("npm test")).toBeDefined();
    },
  );
});
