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
import { synth } from "../../pipeline/synth/synth.ts";
import { type Ended, REPOSITORY } from "./project.ts";
import { SAMPLE_FILES } from "./sample/files.ts";
import { sampleApp } from "./tree.ts";

/** The pipeline, and what every tree is made with. */
const RECIPES = [
  ...["bin", "pipeline", "init", "package.json", "tsconfig.json"],
  ...["kernel", "network", "tools"].map((name) => `dockerfiles/${name}`),
];
/** Everything that synth reads or writes in the checkout, and the pipeline itself. */
const PROJECT = [
  ...[
    "bin",
    "pipeline",
    "dockerfiles",
    "init",
    ".github",
    ".gitattributes",
    "package.json",
    "tsconfig.json",
    DIGESTS_PATH,
  ],
  ...[CELLS_PATH, MANIFEST_PATH, MANIFEST_SCHEMA_PATH],
];

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
    symlinkSync(join(REPOSITORY, "node_modules"), join(this.root, "node_modules"));
    if (tree === "sample") this.#writeSample();
  }

  #writeSample(): void {
    const declared = readFileSync(join(REPOSITORY, "test/support/sample/images.ts"), "utf8");
    this.write("pipeline/images.ts", declared.replaceAll("../../../pipeline/", "./"));
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

  /** Runs the copy's own command line, as outside of Actions unless `env` says otherwise. */
  async run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    const outside = { GITHUB_ACTIONS: undefined, GITHUB_OUTPUT: undefined };
    const command = [this.path("bin/smolvm-images.js"), ...args];
    const { exitCode, stdout, stderr } = await x(process.execPath, command, {
      nodeOptions: { cwd: this.root, env: { ...outside, ...env } },
    });
    return { exitCode: exitCode ?? null, stdout, stderr };
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
