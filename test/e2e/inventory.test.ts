import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Release } from "../../pipeline/constructs/release.ts";
import { connect } from "../../pipeline/image/docker/engine.ts";
import { toolsImage } from "../../pipeline/image/docker/tools-image.ts";
import { contentsOf } from "../../pipeline/image/rootfs/contents.ts";
import { type Accounting, RULES } from "../../pipeline/image/rootfs/ownership/account.ts";
import { recipeOf } from "../../pipeline/image/rootfs/ownership/recipe.ts";
import { withRootfs } from "../../pipeline/image/rootfs/rootfs.ts";
import { declareImages } from "../../pipeline/images.ts";
import { readCells } from "../../pipeline/runtime/read-cells.ts";
import { ofKind } from "../../pipeline/schema/kinds/index.ts";
import { unwatched } from "../../pipeline/util/progress.ts";
import { alpineBase, hasAlpine, serveAlpine } from "../support/alpine.ts";
import { cyclonedxErrors } from "../support/cyclonedx.ts";
import { testKernel } from "../support/kernel.ts";
import { cli, Project } from "../support/project.ts";

const CODEX = "codex-amd64-debian";
const ALPINE = "base-amd64-alpine";
const QUICK = ["--stage", "build", "--level", "1"];

interface Named {
  readonly name: string;
  readonly version?: string;
  readonly purl: string;
  readonly hashes?: readonly { readonly content: string }[];
  readonly evidence?: { readonly occurrences: readonly { readonly location: string }[] };
}

/** What was built of a cell: its facts, its inventory, and its container image. */
function builtOf(project: Project, id: string) {
  const file = (name: string) => readFileSync(join(project.root, "out/images", id, name), "utf8");
  const cells = readCells(project.root);
  const cell = cells.cells.find((each) => each.id === id)!;
  const sbom = file("sbom.cdx.json");
  const components = JSON.parse(sbom).components as Named[];
  const image = `smolvm/${id}:${cell.inputs.slice(0, 12)}`;
  return { facts: JSON.parse(file("build.json")), sbom, components, image, cells };
}

/** What a command prints in a container of an image; it has no network. */
function inContainer(image: string, command: readonly string[], input = ""): string {
  const { status, stdout, stderr } = spawnSync(
    "docker",
    ["run", "--rm", "--interactive", "--network=none", image, ...command],
    { input, encoding: "utf8", maxBuffer: 1 << 28 },
  );
  expect(status, stderr).toBe(0);
  return stdout;
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

/** Our own account of an image, with all its files. */
async function accountOf(
  image: string,
  { cells }: ReturnType<typeof builtOf>,
  id: string,
  directory: string,
) {
  const cell = [...ofKind(cells.cells, "base"), ...ofKind(cells.cells, "preset")].find(
    (each) => each.id === id,
  )!;
  const tools = toolsImage(cells.tools);
  const options = { arch: "amd64", directory, tools, baseOrder: [], epoch: cells.source_date_epoch } as const;
  let result: { accounting: Accounting; paths: string[] } | undefined;
  await withRootfs(await connect(), image, options, unwatched(), async (rootfs) => {
    const { accounting } = await contentsOf(rootfs, { recipe: recipeOf(cells, cell), arch: "amd64" });
    const files = rootfs.entries.filter(({ type }) => type === "file" || type === "symlink");
    result = { accounting, paths: files.map(({ path }) => path) };
  });
  return result!;
}

/** The paths of each origin that a test of its own has looked for. */
const ofOrigin = ({ accounting, paths }: Awaited<ReturnType<typeof accountOf>>, origin: string) =>
  paths.filter((path) => accounting.ownerOf(path)?.origin === origin);

describe("the inventory of codex on Debian", () => {
  let project: Project;
  let built: ReturnType<typeof builtOf>;
  let ours: Awaited<ReturnType<typeof accountOf>>;
  beforeAll(async () => {
    project = new Project(declareImages);
    const made = await cli(project.root, ["cell", CODEX, ...QUICK]);
    expect(made.exitCode, made.stderr).toBe(0);
    built = builtOf(project, CODEX);
    ours = await accountOf(built.image, built, CODEX, project.root);
  });
  afterAll(() => project.remove());

  it("accounts for every byte", () => {
    const { accounted, content_size: size } = built.facts;
    expect(accounted.unowned).toEqual({ files: 0, bytes: 0 });
    const shares = Object.values(accounted) as { files: number; bytes: number }[];
    expect(shares.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(size);
    expect(shares.reduce((sum, { files }) => sum + files, 0)).toBe(ours.paths.length);
    expect(accounted.deb.bytes).toBeGreaterThan(100e6);
    expect(accounted.npm.bytes).toBeGreaterThan(300e6);
    expect(accounted.recipe.bytes).toBeGreaterThan(100e6);
  });

  it("is CycloneDX 1.6 to the letter, with a name of its own for each component", async () => {
    expect(await cyclonedxErrors(built.sbom)).toBe(null);
    const refs = JSON.parse(built.sbom).components.map((each: { "bom-ref": string }) => each["bom-ref"]);
    expect(new Set(refs).size).toBe(refs.length);
  });

  it("has the packages that dpkg has, and gives each file to the package that dpkg says", () => {
    const format = "${Package} ${Version} ${db:Status-Status}\\n";
    const packages = lines(inContainer(built.image, ["dpkg-query", "-W", "-f", format]));
    expect(packages.every((line) => line.endsWith(" installed"))).toBe(true);
    const named = built.components.filter(({ purl }) => purl.startsWith("pkg:deb/"));
    expect(named.map(({ name, version }) => `${name} ${version} installed`).sort()).toEqual(packages.sort());

    const script = [
      "import os, subprocess",
      "names = subprocess.check_output(['dpkg-query', '-W', '-f', '${binary:Package}\\n'], text=True).split()",
      "for name in names:",
      "  for path in subprocess.check_output(['dpkg-query', '-L', name], text=True).splitlines():",
      "    if not path.startswith('/'): continue",
      "    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))",
      "    if os.path.islink(real) or os.path.isfile(real): print(real[1:] + '\\t' + name.split(':')[0])",
    ];
    const dpkg = new Map<string, Set<string>>();
    for (const line of lines(inContainer(built.image, ["python3", "-c", script.join("\n")]))) {
      const [path, name] = line.split("\t") as [string, string];
      dpkg.set(path, (dpkg.get(path) ?? new Set()).add(name));
    }
    const kept = new Set(ours.paths);
    const wrong = [...dpkg]
      .filter(([path]) => kept.has(path))
      .map(([path, names]) => ({ path, names: [...names], owner: ours.accounting.ownerOf(path) }))
      .filter(({ names, owner }) => owner?.origin !== "deb" || !names.includes(owner.name));
    expect(wrong).toEqual([]);
    const only = ofOrigin(ours, "deb").filter(
      (path) => !dpkg.has(path) && !path.startsWith("var/lib/dpkg/info/"),
    );
    expect(only).toEqual([]);
  });

  it("has every npm package that a walk finds, and those that npm itself lists", () => {
    const walk = `
      const { readdirSync, readFileSync } = require("fs");
      const visit = (directory, within) => {
        for (const each of readdirSync(directory, { withFileTypes: true })) {
          const path = directory + "/" + each.name;
          if (each.isDirectory()) visit(path, within || each.name === "node_modules");
          else if (within && each.isFile() && each.name === "package.json") {
            try {
              const { name, version } = JSON.parse(readFileSync(path, "utf8"));
              if (name && version) console.log(name + "@" + version);
            } catch {}
          }
        }
      };
      for (const root of ["/opt", "/usr", "/home", "/root", "/srv", "/var"]) visit(root, false);`;
    const found = new Set(lines(inContainer(built.image, ["node", "-e", walk])));
    const named = built.components.filter(({ purl }) => purl.startsWith("pkg:npm/"));
    expect(new Set(named.map(({ name, version }) => `${name}@${version}`))).toEqual(found);
    expect(found.size).toBeGreaterThan(100);

    for (const where of [["--prefix=/opt/codex"], ["--global"]]) {
      const ls = inContainer(built.image, ["npm", "ls", "--all", "--parseable", "--long", ...where]);
      const installed = lines(ls)
        // `path:name@version`, and of an alias `path:alias@npm:name@version`.
        .map((line) => line.slice(line.indexOf(":") + 1).replace(/^.*@npm:/, ""))
        // The project itself has no version.
        .filter((name) => /.@./.test(name));
      expect(installed.length).toBeGreaterThan(0);
      for (const name of installed) expect(found).toContain(name);
    }
  });

  it("names a component for each large program", () => {
    const script = [
      "import os",
      "for top, _, names in os.walk('/', followlinks=False):",
      "  if top.split('/')[1] in ('proc', 'sys', 'dev', 'tmp'): continue",
      "  for name in names:",
      "    path = os.path.join(top, name)",
      "    if os.path.islink(path) or not os.path.isfile(path) or os.path.getsize(path) < 1000000: continue",
      "    with open(path, 'rb') as file:",
      "      if file.read(4) == b'\\x7fELF': print(path)",
    ];
    const programs = lines(inContainer(built.image, ["python3", "-c", script.join("\n")]));
    expect(programs).toContain("/usr/local/bin/node");
    const places = built.components.flatMap(({ evidence }) => evidence?.occurrences ?? []);
    const others = programs.filter(
      (path) => !places.some(({ location }) => path === location || path.startsWith(`${location}/`)),
    );
    const debs = new Set(
      built.components.filter(({ purl }) => purl.startsWith("pkg:deb/")).map(({ name }) => name),
    );
    const owners = lines(inContainer(built.image, ["xargs", "dpkg", "-S"], others.join("\n")));
    expect(owners).toHaveLength(others.length);
    for (const line of owners) expect(debs).toContain(/^[^:,]+/.exec(line)![0]);
  });

  it("has the versions and hashes of what is copied in, and of what is inside codex's package", () => {
    const component = (purl: string) => built.components.find((each) => each.purl.startsWith(purl))!;
    const node = component("pkg:generic/node@");
    expect(inContainer(built.image, ["node", "--version"])).toBe(`v${node.version}\n`);
    expect(inContainer(built.image, ["npm", "--version"])).toBe(`${component("pkg:npm/npm@").version}\n`);
    const rg = component("pkg:cargo/ripgrep@");
    const path = rg.evidence!.occurrences[0]!.location;
    expect(inContainer(built.image, [path, "--version"])).toMatch(`ripgrep ${rg.version} `);
    // It is part of what the preset leaves out.
    expect(component("pkg:generic/glib@")).toBeUndefined();
    expect(component("pkg:generic/bubblewrap")).not.toHaveProperty("version");
    const cell = built.cells.cells.find(({ id }) => id === CODEX)!;
    const declared = "embeds" in cell ? cell.embeds! : [];
    const names = built.components.map(({ name }) => name);
    expect(declared.length).toBeGreaterThan(1);
    for (const { name } of declared) expect(names).toContain(name);
    for (const each of [node, rg, component("pkg:generic/smolvm-init")]) {
      const { location } = each.evidence!.occurrences[0]!;
      expect(inContainer(built.image, ["sha256sum", location]).split(" ")[0]).toBe(each.hashes![0]!.content);
    }
  });

  it("needs each rule about scripts, apart from those for images that are not made here", async () => {
    // openclaw's account is what the last of them is about.
    const image = `smolvm/inventory-test:${process.pid}`;
    const dockerfile = `FROM ${built.image}\nRUN useradd --create-home agent\n`;
    expect(spawnSync("docker", ["build", "--tag", image, "-"], { input: dockerfile }).status).toBe(0);
    try {
      const { accounting } = await accountOf(image, built, CODEX, project.root);
      expect(accounting.unowned).toEqual([]);
      const unused = RULES.deb.filter((rule) => rule.only === undefined && !accounting.rules.has(rule));
      expect(unused.map(({ by, paths }) => `${by} ${paths}`)).toEqual([]);
    } finally {
      spawnSync("docker", ["image", "rm", image]);
    }
  });

  it("refuses files that belong to nobody, by name, and takes those that are declared", async () => {
    const path = join(project.root, `dockerfiles/${CODEX.replace("-amd64", "")}.Dockerfile`);
    const recipe = readFileSync(path, "utf8");
    const planted = [
      "RUN mkdir /opt/planted && echo planted > /opt/planted/file && cp /bin/true /usr/bin/planted",
      "RUN ln -s /opt/planted/file /etc/ssl/certs/planted.pem && touch /opt/codex/node_modules/planted",
    ];
    writeFileSync(path, `${recipe}${planted.join("\n")}\n`);
    const refused = await cli(project.root, ["cell", CODEX, ...QUICK]);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain(`the audit refuses ${CODEX}: 4 findings`);
    for (const each of ["opt/planted/file", "usr/bin/planted", "etc/ssl/certs/planted.pem"]) {
      expect(refused.stderr).toContain(`- ${each} belongs to no package, recipe or known script (`);
    }
    expect(refused.stderr).toContain("- opt/codex/node_modules/planted belongs to no package");

    const cells = join(project.root, "out/cells.json");
    const declared = JSON.parse(readFileSync(cells, "utf8"));
    const cell = declared.cells.find(({ id }: { id: string }) => id === CODEX);
    cell.unowned = [
      "/opt/**/planted*",
      "/opt/planted/*",
      "/usr/bin/planted",
      "/etc/ssl/certs/planted.pem",
    ].map((paths) => ({ paths, reason: "a test plants it" }));
    writeFileSync(cells, JSON.stringify(declared));
    const taken = await cli(project.root, ["cell", CODEX, ...QUICK]);
    expect(taken.exitCode, taken.stderr).toBe(0);
    expect(builtOf(project, CODEX).facts.accounted.declared.files).toBe(4);
  });
});

describe.runIf(hasAlpine)("the inventory of an Alpine base", () => {
  let project: Project;
  let mirror: { server: Server; url: string };
  beforeAll(async () => {
    mirror = await serveAlpine();
    project = new Project((app) => {
      const release = new Release(app, "alpine", {
        ...{ tag: "alpine-test", repository: "example/images", archs: ["amd64"], vmms: ["qemu"] },
        ...{ defaultFlavor: "alpine", newestFile: "2026-10-05T00:00:00Z" },
      });
      testKernel(release, ["alpine"]);
      alpineBase(release);
    });
    const made = await cli(project.root, ["cell", ALPINE, ...QUICK, "--apk-mirror", mirror.url]);
    expect(made.exitCode, made.stderr).toBe(0);
  });
  afterAll(() => {
    mirror.server.close();
    project.remove();
  });

  it("has the packages that apk has, and gives each file to the package that apk says", async () => {
    const built = builtOf(project, ALPINE);
    expect(built.facts.accounted.unowned).toEqual({ files: 0, bytes: 0 });
    expect(await cyclonedxErrors(built.sbom)).toBe(null);
    const named = built.components.filter(({ purl }) => purl.startsWith("pkg:apk/"));
    const installed = lines(inContainer(built.image, ["apk", "info", "-v", "--no-network"]));
    expect(named.map(({ name, version }) => `${name}-${version}`).sort()).toEqual(installed.sort());

    const ours = await accountOf(built.image, built, ALPINE, project.root);
    const versions = new Map(named.map(({ name, version }) => [name, `${name}-${version}`]));
    const files = ofOrigin(ours, "apk");
    const owners = lines(
      inContainer(
        built.image,
        ["xargs", "apk", "info", "--who-owns"],
        files.map((path) => `/${path}`).join("\n"),
      ),
    );
    const said = new Map(owners.map((line) => line.split(" is owned by ") as [string, string]));
    const wrong = files.filter(
      (path) => said.get(`/${path}`) !== versions.get(ours.accounting.ownerOf(path)!.name),
    );
    expect(wrong).toEqual([]);
    expect(files.length).toBeGreaterThan(50);

    const unused = RULES.apk.filter((rule) => rule.only === undefined && !ours.accounting.rules.has(rule));
    expect(unused.map(({ by, paths }) => `${by} ${paths}`)).toEqual([]);
  });
});
