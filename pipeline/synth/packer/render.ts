import type { App } from "../../constructs/app.ts";
import { PackerBundle } from "../../constructs/packer/bundle.ts";
import { marker } from "../marker.ts";
import { renderTemplate } from "./template.ts";

/** The files of each box: its template, what Packer serves to the machine, and the scripts that run in it. */
export function renderBoxes(app: App): { path: string; text: string }[] {
  const bundles = app.node.findAll().filter((construct) => construct instanceof PackerBundle);
  return bundles.flatMap((bundle) => {
    const { config, model } = bundle;
    const directory = `out/packer/${config.name}`;
    return [
      { path: `${directory}/${config.name}.pkr.json`, text: renderTemplate(bundle) },
      ...Object.entries(model.http).map(([name, text]) => ({
        path: `${directory}/http/${name}`,
        text: `${marker("#")}\n${text}`,
      })),
      ...model.scripts.map(({ name, text }) => ({
        path: `${directory}/scripts/${name}`,
        text: `${marker("#")}\n# shellcheck shell=sh\nset -eu\n\n${text}`,
      })),
    ];
  });
}
