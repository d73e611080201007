import { stringify } from "yaml";
import type { Initramfs } from "../../constructs/initramfs/initramfs.ts";
import type { InitramfsModule } from "../../schema/cells.ts";
import { MODULE_SETS, type ModuleSet } from "../../schema/initramfs/choices.ts";
import { modulesOf } from "../../schema/initramfs/modules.ts";
import { marker } from "../marker.ts";

/** A generated file that a recipe copies in. */
export interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

/** The directory of what synth makes of an appliance. */
export const directoryOf = ({ name }: Initramfs): string => `dockerfiles/initramfs/${name}`;

/** The packages of the userland, one a line. */
export const packageList = (appliance: Initramfs): GeneratedFile => ({
  path: `${directoryOf(appliance)}/packages`,
  text: lines(Object.keys(appliance.packages).sort()),
});

/** The modules of an appliance with a set: those of the set, and then those that it declares. */
export const modulesWith = (appliance: Initramfs, set: ModuleSet): InitramfsModule[] => {
  const declared = appliance.extraModules.map(({ name, essential = false, optional = false }) => ({
    ...{ name, set: "declared" as const, essential, optional },
  }));
  const names = declared.map(({ name }) => name);
  const listed = modulesOf(set, appliance.kernel.flavor.name).filter(({ name }) => !names.includes(name));
  return [...listed, ...declared];
};

/** A list for each set, because `INCLUDE_MODULES` may choose another than the declared one. */
export const moduleLists = (appliance: Initramfs): GeneratedFile[] =>
  MODULE_SETS.map((set) => ({
    path: `${directoryOf(appliance)}/modules/${set}`,
    text: lines(
      modulesWith(appliance, set).map(
        ({ name, set: of, essential, optional }) =>
          `${name} ${of} ${essential ? "essential" : "other"} ${optional ? "optional" : "needed"}`,
      ),
    ),
  }));

/** A service file of zinit, with its name. */
export interface ServiceFile extends GeneratedFile {
  readonly name: string;
}

export const serviceFiles = (appliance: Initramfs): ServiceFile[] =>
  Object.entries(appliance.services)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, service]) => ({
      name,
      path: `${directoryOf(appliance)}/services/${name}.yaml`,
      text: `${marker("#")}\n${stringify(service, { lineWidth: 0 })}`,
    }));

const lines = (all: readonly string[]) => `${[marker("#"), ...all].join("\n")}\n`;
