import type { PackerBundle } from "../../constructs/packer/bundle.ts";
import type { PackerSource } from "../../constructs/packer/contributor.ts";
import { labelOf } from "../../constructs/packer/model.ts";
import { unique } from "../../util/unique.ts";
import { markedJson } from "../marker.ts";

/**
 * The template of a box: HCL as JSON, which Packer reads from a file `….pkr.json`. Packer refuses a dot in the name of a source
 * that is referred to. So each source has a label without dots, and the build gives it its name.
 */
export function renderTemplate({ config: { name }, model }: PackerBundle): string {
  const { variables, locals, sources, scripts, postProcessors } = model;
  const shell = {
    // The scripts begin with the mark of a generated file, and not with an interpreter.
    execute_command: "{{ .Vars }} sh '{{ .Path }}'",
    scripts: scripts.map((script) => `\${path.root}/scripts/${script.name}`),
  };
  const build = {
    name,
    source: sources.map((source) => ({ [`${source.type}.${labelOf(source)}`]: { name: source.name } })),
    provisioner: scripts.length > 0 ? [{ shell }] : [],
    "post-processor": postProcessors.map(({ type, settings }) => ({ [type]: settings })),
  };
  const template = {
    variable: variables,
    locals: mapped(locals, (expression) => `\${${expression}}`),
    source: sourcesByType(sources),
    build: [filled(build)],
  };
  return markedJson(filled(template), "//");
}

function sourcesByType(sources: readonly PackerSource[]): object {
  const types = unique(sources.map(({ type }) => type));
  return Object.fromEntries(
    types.map((type) => {
      const own = sources.filter((source) => source.type === type);
      return [type, Object.fromEntries(own.map((source) => [labelOf(source), source.settings]))];
    }),
  );
}

const mapped = <T>(record: Readonly<Record<string, T>>, map: (value: T) => T): Record<string, T> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));

/** The properties that have something: Packer refuses an empty block. */
const filled = (blocks: object): object =>
  Object.fromEntries(Object.entries(blocks).filter(([, block]) => Object.keys(block).length > 0));
