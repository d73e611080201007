import type { Initramfs } from "../../constructs/initramfs/initramfs.ts";
import { programsFor } from "../../constructs/initramfs/program.ts";
import type { Release } from "../../constructs/release.ts";
import { MODULE_SETS } from "../../schema/initramfs/choices.ts";
import { kernelPackage } from "../../schema/initramfs/kernels.ts";
import { addedBy, setsIn } from "../../schema/initramfs/modules.ts";
import { RecordedAppliance, recordedAppliancePath } from "../../schema/initramfs/recorded.ts";
import { cellId } from "../../schema/kinds/index.ts";
import type { Arch } from "../../schema/names.ts";
import { PipelineError } from "../../util/error.ts";
import { humanBytes } from "../../util/human-bytes.ts";
import { marker } from "../marker.ts";
import type { GeneratedFile } from "./lists.ts";

/** What is recorded of the cells of an appliance, by arch. */
type Recorded = ReadonlyMap<Arch, RecordedAppliance>;

/** The page for reviewers of an appliance: what is in it, from where, and why. docs/initramfs.md is the one for its users. */
export function initramfsDocument(release: Release, appliance: Initramfs): GeneratedFile {
  const recorded = recordedOf(release, appliance);
  const sections = [
    `${marker("<!--")} -->`,
    `# Appliance ${appliance.name}`,
    overview(appliance),
    "## Packages",
    packages(appliance, recorded),
    "## Programs",
    programs(appliance),
    "## Modules",
    modules(appliance, recorded),
    "## Services",
    services(appliance),
    "## Boot flow",
    bootFlow(appliance),
  ];
  return { path: `docs/initramfs/${appliance.name}.md`, text: `${sections.join("\n\n")}\n` };
}

function recordedOf(release: Release, { name, flavor, archs }: Initramfs): Recorded {
  return new Map(
    archs.flatMap((arch): [Arch, RecordedAppliance][] => {
      const path = recordedAppliancePath(cellId({ kind: "initramfs", name, arch, flavor: flavor.name }));
      const text = release.files(path);
      if (text === undefined) return [];
      try {
        return [[arch, RecordedAppliance.parse(JSON.parse(text))]];
      } catch (cause) {
        throw new PipelineError(`${path} is not the record of an appliance`, {
          ...{ fix: "restore it from git", cause },
        });
      }
    }),
  );
}

function overview({
  flavor,
  kernel,
  mode,
  modules,
  archs,
  rootMib,
  start,
  otherVersions,
}: Initramfs): string {
  const others = otherVersions.map(({ version }) => version);
  return table(
    ["", ""],
    [
      ["mode", mode],
      [
        "userland",
        `${flavor.name} ${flavor.version}${others.length > 0 ? ` (or ${others.join(", ")})` : ""}`,
      ],
      ["kernel", `${kernel.flavor.name} ${kernel.flavor.version}, ${kernel.version}`],
      ["modules", modules],
      ["archs", archs.join(", ")],
      ["tmpfs", `${rootMib} MiB`],
      ["starts", code(start.join(" "))],
    ],
  );
}

function packages(appliance: Initramfs, recorded: Recorded): string {
  const { flavor, kernel, archs } = appliance;
  const version = (name: string) =>
    perArch(archs, recorded, ({ packages: all }) => all[name] ?? "?") ?? versionToday(flavor);
  const kernels = [...new Set(archs.map((arch) => kernelPackage(kernel.flavor.name, arch, kernel.version)))];
  const rows = [
    ...kernels.map((name) => [
      "kernel",
      code(name),
      perArch(archs, recorded, (each) => each.kernel.version) ??
        (/^(lts|edge)$/.test(kernel.version) ? versionToday(kernel.flavor) : kernel.version),
    ]),
    ...Object.entries(appliance.packages)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, what]) => [what, code(name), version(name)]),
  ];
  return `${table(["component", "package", "version"], rows)}\n\nAnd what these depend on, and what the root file system of ${flavor.name} has already. The facts of a build list every package with its version.`;
}

/** What decides the version of a package before anything is built. */
const versionToday = ({ name, version, snapshot }: Initramfs["flavor"]): string =>
  snapshot === undefined
    ? `the newest of ${name} ${version} when it is built`
    : `that of ${name}'s archive at ${snapshot}`;

function programs(appliance: Initramfs): string {
  if (appliance.programs.length === 0) return "None.";
  const rows = appliance.archs.flatMap((arch) =>
    programsFor(appliance.programs, arch).map(({ path, repository, version, asset, sha256 }) => [
      ...[code(path), repository, version, arch, code(asset)],
      sha256 === null ? "not known: debug mode only" : code(sha256),
    ]),
  );
  return table(["program", "repository", "release", "arch", "file", "sha256"], rows);
}

function modules(appliance: Initramfs, recorded: Recorded): string {
  const { archs, kernel, extraModules } = appliance;
  const size = (name: string) =>
    perArch(archs, recorded, (each) => {
      const found = each.modules.find((module) => module.name === name);
      return found?.state === "module" ? humanBytes(found.size) : (found?.state ?? "?");
    }) ?? "not recorded yet";
  const chosen = setsIn(appliance.modules);
  const listed = MODULE_SETS.flatMap((set) =>
    addedBy(set).flatMap(({ purpose, modules: all }) =>
      all.map(({ name, why, essential, absentIn = [] }) => [
        ...[set, purpose, code(name), why, essential ? "at once" : "when needed"],
        absentIn.includes(kernel.flavor.name)
          ? `not in ${kernel.flavor.name}'s kernel`
          : chosen.includes(set)
            ? size(name)
            : "not in this image",
      ]),
    ),
  );
  const declared = extraModules.map(({ name, why, essential }) => [
    ...["declared", "", code(name), why, essential ? "at once" : "when needed", size(name)],
  ]);
  return [
    `Each set contains the sets before it; this image has \`${appliance.modules}\`. What a module needs is there as well, as \`depmod\` resolves it.`,
    table(["set", "purpose", "module", "why", "loaded", "size"], [...listed, ...declared]),
  ].join("\n\n");
}

function services({ services: all }: Initramfs): string {
  const rows = Object.entries(all).map(([name, { exec, test, oneshot, after = [] }]) => [
    ...[name, code(exec), oneshot ? "once" : "always", after.join(", "), test ? code(test) : ""],
  ]);
  return rows.length > 0 ? table(["service", "command", "runs", "after", "test"], rows) : "None.";
}

/** What `/init` does. Its text is that of init/initramfs/init. */
function bootFlow({ rootMib, start, mode }: Initramfs): string {
  const failure =
    mode === "debug" ? "ends in a rescue shell on the console" : "powers off, because the mode is release";
  const steps = [
    "The firmware starts the EFI file, or a loader the kernel with the initramfs; the kernel unpacks it and starts `/init`.",
    "`/init` mounts proc, sysfs and devtmpfs.",
    `It mounts a tmpfs of ${rootMib} MiB (\`root_mib=\` on the kernel's command line overrides it) at \`/mnt/root\`, and copies the initramfs there.`,
    "It detects devices with `udevadm`, or with `mdev` where there is none, which loads the modules that they need.",
    "It loads the modules that the table above says are loaded at once, in that order, and detects the devices behind them.",
    ...(mode === "debug"
      ? ["With `inject=` on the kernel's command line, it copies debug files from that device or address."]
      : []),
    `It calls \`switch_root /mnt/root ${start.join(" ")}\`.`,
    `A missing program, too little memory for the tmpfs, or a module that does not load is named on the console, and the boot ${failure}.`,
  ];
  return steps.map((step, index) => `${index + 1}. ${step}`).join("\n");
}

/** A value for each arch of which something is recorded, once if all are the same; undefined if nothing is. */
function perArch(
  archs: readonly Arch[],
  recorded: Recorded,
  from: (record: RecordedAppliance) => string,
): string | undefined {
  const values = archs.flatMap((arch) => {
    const record = recorded.get(arch);
    return record ? [{ arch, value: from(record) }] : [];
  });
  if (values.length === 0) return undefined;
  const same = new Set(values.map(({ value }) => value)).size === 1;
  return same ? values[0]!.value : values.map(({ arch, value }) => `${value} (${arch})`).join(", ");
}

const code = (text: string) => `\`${text}\``;
const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows.map((row) => row.map(cell))]
    .map((row) => `| ${row.join(" | ")} |`)
    .join("\n");
