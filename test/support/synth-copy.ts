import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { x } from "tinyexec";
import { CELLS_PATH } from "../../pipeline/schema/cells.ts";
import { MANIFEST_PATH, MANIFEST_SCHEMA_PATH } from "../../pipeline/schema/manifest.ts";
import { DIGESTS_PATH } from "../../pipeline/schema/recorded-digests.ts";
import { changes, write } from "../../pipeline/synth/project.ts";
import { PUBLISHED_IMAGES_PATH } from "../../pipeline/synth/published-images.ts";
import { synth } from "../../pipeline/synth/synth.ts";
import { type Ended, PROGRAM, REPOSITORY } from "./project.ts";
import { SAMPLE_FILES } from "./sample/files.ts";
import { sampleApp } from "./tree.ts";

/** What every tree is made with. */
const RECIPES = [
  ...["init", "package.json", "tsconfig.json", "pipeline/pins.ts"],
  ...["kernel", "network", "tools"].map((name) => `dockerfiles/${name}`),
];
/** Everything that synth reads or writes in the checkout, and the pipeline itself. */
const PROJECT = [
  ...[
    "bin",
    "pipeline",
    "dockerfiles",
    "init",
    "docs/initramfs",
    "out/packer",
    ".github",
    ".gitattributes",
    "package.json",
    "tsconfig.json",
    DIGESTS_PATH,
  ],
  ...[CELLS_PATH, MANIFEST_PATH, MANIFEST_SCHEMA_PATH, PUBLISHED_IMAGES_PATH],
];

const CONSTRUCTS = "../../../pipeline/constructs/index.ts";

/**
 * A checkout in a directory of its own, to edit and to run as a maintainer does: of the sample tree, which stays as it
 * is, or of this project as it is declared at present.
 */
export class Copy {
  readonly root = mkdtempSync(join(tmpdir(), "smolvm-copy-"));

  constructor(tree: "sample" | "project" = "sample") {
    for (const path of (tree === "sample" ? RECIPES : PROJECT).filter((path) =>
      existsSync(join(REPOSITORY, path)),
    )) {
      cpSync(join(REPOSITORY, path), join(this.root, path), {
        recursive: true,
        // What a build on this machine has installed beside its Dockerfile.
        filter: (source) => basename(source) !== "node_modules",
      });
    }
    for (const directory of ["node_modules", "dist"]) {
      symlinkSync(join(REPOSITORY, directory), join(this.root, directory));
    }
    if (tree === "sample") this.#writeSample();
  }

  #writeSample(): void {
    const declared = readFileSync(join(REPOSITORY, "test/support/sample/images.ts"), "utf8");
    this.write("pipeline/images.ts", declared.replace(CONSTRUCTS, "smolvm-images/constructs"));
    const pins = this.read("pipeline/pins.ts");
    this.write("pipeline/pins.ts", pins.replace("./constructs/index.ts", "smolvm-images/constructs"));
    for (const [path, text] of Object.entries(SAMPLE_FILES)) this.write(path, text);
    write(this.root, changes(this.root, synth(sampleApp())));
  }

  path(path: string): string {
    return join(this.root, path);
  }

  read(path: string): string {
    return readFileSync(this.path(path), "utf8");
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    writeFileSync(this.path(path), text);
  }

  /** Every file below it, path to text. */
  files(): Map<string, string> {
    const entries = readdirSync(this.root, { recursive: true, withFileTypes: true });
    const paths = entries
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name));
    return new Map(paths.map((path) => [path, readFileSync(path, "utf8")]));
  }

  /**
   * Runs the command line in it, as outside of Actions unless `env` says otherwise: of the sample tree with the compiled
   * program, of this project with its sources.
   */
  async run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    const outside = { GITHUB_ACTIONS: undefined, GITHUB_OUTPUT: undefined };
    const own = this.path("bin/smolvm-images.js");
    const [program = "", ...words] = existsSync(own) ? [process.execPath, own] : PROGRAM;
    const { exitCode, stdout, stderr } = await x(program, [...words, ...args], {
      nodeOptions: { cwd: this.root, env: { ...outside, ...env } },
    });
    return { exitCode: exitCode ?? null, stdout, stderr };
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
