import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { bumpCommand } from "../../pipeline/cli/pipeline/bump.ts";
import { cellCommand } from "../../pipeline/cli/pipeline/cell.ts";
import { diffCommand } from "../../pipeline/cli/pipeline/diff.ts";
import { doctorCommand } from "../../pipeline/cli/pipeline/doctor.ts";
import { driftCommand } from "../../pipeline/cli/pipeline/drift.ts";
import { graphCommand } from "../../pipeline/cli/pipeline/graph.ts";
import { listCommand } from "../../pipeline/cli/pipeline/list.ts";
import { manifestCommand } from "../../pipeline/cli/pipeline/manifest.ts";
import { planCommand } from "../../pipeline/cli/pipeline/plan.ts";
import { presetCommand } from "../../pipeline/cli/pipeline/preset.ts";
import { releaseCommand } from "../../pipeline/cli/pipeline/release.ts";
import { reproCommand } from "../../pipeline/cli/pipeline/repro.ts";
import { synthCommand } from "../../pipeline/cli/pipeline/synth.ts";
import { imagesCommand, pruneCommand, pullCommand } from "../../pipeline/cli/smolvm/images.ts";
import { createCommand, startCommand } from "../../pipeline/cli/smolvm/machine.ts";
import { psCommand, sshCommand, stopCommand } from "../../pipeline/cli/smolvm/machines.ts";
import { blocks, commands, DOCUMENTS, NOT_RUN, textOf } from "../support/documents.ts";
import { REPOSITORY } from "../support/project.ts";

const PIPELINE = [
  ...[synthCommand, diffCommand, listCommand, manifestCommand, planCommand, presetCommand],
  ...[cellCommand, releaseCommand, reproCommand, doctorCommand, bumpCommand, driftCommand, graphCommand],
];
const SMOLVM = [
  ...[createCommand, startCommand, psCommand, sshCommand, stopCommand],
  ...[pullCommand, imagesCommand, pruneCommand],
];
const { scripts } = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8"));

/** What is wrong with a line that somebody may type; undefined where nothing is, or where it is no command of ours. */
function wrong(line: string): string | undefined {
  const words = line.split(/\s+/);
  if (words[0] === "npx" && words[1] === "smolvm")
    return unknownWords(smolvmVerb(words.slice(2)), words.slice(3));
  if (words[0] === "smolvm" && words.length > 1)
    return unknownWords(smolvmVerb(words.slice(1)), words.slice(2));
  if (words[0] !== "npm" || words[1] !== "run") return undefined;
  const [script, ...rest] = words.slice(2).filter((word) => word !== "-s");
  if (script === undefined) return undefined;
  if (!Object.hasOwn(scripts, script)) return `package.json has no script ${script}`;
  const verb = PIPELINE.find((command) => command.name() === script);
  return verb === undefined ? undefined : unknownWords(verb, rest.slice(1));
}

const smolvmVerb = (words: readonly string[]) =>
  SMOLVM.find((command) => command.name() === (words[1] === "start" ? "start" : words[0]));

function unknownWords(command: Command | undefined, words: readonly string[]): string | undefined {
  if (command === undefined) return "there is no such verb";
  const own = words.includes("--") ? words.slice(0, words.indexOf("--")) : words;
  const within = command.commands.find((each) => each.name() === own[0]);
  if (command.commands.length > 0 && within === undefined) return `${command.name()} has no verb ${own[0]}`;
  const flags = (within ?? command).options.map(({ long }) => long);
  const unknown = own.find((word) => word.startsWith("--") && !flags.includes(word));
  return unknown && `${command.name()} has no flag ${unknown}`;
}

describe.each(DOCUMENTS)("%s", (document) => {
  const text = textOf(document);
  const prose = text.replaceAll(/^\s*```.*?^\s*```$/gms, "");
  const spans = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!);

  it("has its commands in blocks that the test which follows it reads", () => {
    for (const { language, lines, heading } of blocks(text)) {
      expect(["sh", "console", "ts", "js", "mermaid", ""], heading).toContain(language);
      if (language === "")
        expect(lines.filter((line) => /^(\$ )?(npm|npx|bash|git) [^─]*$/.test(line))).toEqual([]);
    }
  });

  it("names commands and flags that there are", () => {
    const lines = [...spans, ...commands(text).map(({ line }) => line)].flatMap((line) => line.split(" && "));
    expect(lines.filter((line) => wrong(line)).map((line) => `${line}: ${wrong(line)}`)).toEqual([]);
  });

  it("imports only what the package exports", async () => {
    const code = blocks(text).filter(({ language }) => ["ts", "js"].includes(language));
    const imports = code.flatMap(({ lines }) =>
      [...lines.join("\n").matchAll(/import \{([^}]+)\} from "smolvm-images(?:\/(\w+))?"/g)].map(
        ([, names = "", entry = "client"]) => ({ names: names.split(",").map((name) => name.trim()), entry }),
      ),
    );
    if (document === "docs/use-images.md") expect(imports.length).toBeGreaterThan(1);
    for (const { names, entry } of imports) {
      const path = entry === "constructs" ? "synth" : entry;
      const exported = await import(join(REPOSITORY, `pipeline/${path}/index.ts`));
      const values = names.filter((name) => !name.startsWith("type "));
      expect(values.filter((name) => !Object.hasOwn(exported, name))).toEqual([]);
    }
  });

  it("names files that there are", () => {
    const links = [...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, target]) => target!);
    // SmolVM's own sources have a folder `scripts/`, too.
    const own =
      document === "docs/guest-contract.md" ? spans.filter((span) => !/^scripts\//.test(span)) : spans;
    const paths = own.filter((span) =>
      /^(pipeline|dockerfiles|scripts|test|bench|init|docs)\/[\w./-]*$/.test(span),
    );
    const here = dirname(join(REPOSITORY, document));
    const linked = links.filter((link) => !/^https?:/.test(link)).map((link) => resolve(here, link));
    const named = paths.map((path) => join(REPOSITORY, path));
    expect([...linked, ...named].filter((path) => !existsSync(path))).toEqual([]);
  });
});

it.each([
  "npm run nothing",
  "npm run cell -- x --colour",
  "npm run preset -- rename x",
  "npx smolvm fly",
  "smolvm pi start --fast",
])("`%s` would be noticed", (line) => {
  expect(wrong(line)).toBeDefined();
});

it("each command that no test runs is still in a document, and has a reason", () => {
  const all = DOCUMENTS.flatMap((document) => commands(textOf(document))).map(({ line }) => line);
  for (const [line, why] of Object.entries(NOT_RUN)) {
    expect(all).toContain(line);
    expect(why.split(" ").length).toBeGreaterThan(4);
  }
});
