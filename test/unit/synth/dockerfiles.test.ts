import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { validate } from "dockerfile-utils";
import { describe, expect, it } from "vitest";
import { PACKING_FILES } from "../../../pipeline/schema/initramfs/files.ts";
import { cellsOf, synth } from "../../../pipeline/synth/synth.ts";
import { REPOSITORY } from "../../support/project.ts";
import { projectApp } from "../../support/tree.ts";

const output = synth(projectApp());
const handWritten = ["dockerfiles/tools/Dockerfile", "bench/cloud-kernel/Dockerfile"];
const dockerfiles: [string, string][] = [
  ...[...output].filter(([path]) => path.endsWith("Dockerfile")),
  ...handWritten.map((path): [string, string] => [path, readFileSync(join(REPOSITORY, path), "utf8")]),
];

/** The instructions of a Dockerfile: comments gone, continued lines joined. */
const instructions = (text: string) =>
  text
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n\s*/g, " ")
    .split("\n")
    .filter((line) => line.trim() !== "");

const argumentsOf = (text: string, instruction: string) =>
  instructions(text)
    .filter((line) => line.startsWith(`${instruction} `))
    .map((line) => line.slice(instruction.length).trim());

/** The shell commands of all RUN instructions, a pipeline as one. */
const commands = (text: string) =>
  argumentsOf(text, "RUN").flatMap((script) => script.split(/;|&&|\|\|/).map((command) => command.trim()));

const stagesOf = (text: string) => argumentsOf(text, "FROM").map((from) => / AS (\S+)$/i.exec(from)?.[1]);

/** What each stage is made from, with the defaults of the file's arguments. */
function imagesOf(text: string): string[] {
  const defaults = new Map(argumentsOf(text, "ARG").map((arg) => arg.split("=") as [string, string]));
  return argumentsOf(text, "FROM")
    .map((from) => from.split(" ").find((word) => !word.startsWith("--"))!)
    .map((image) =>
      image.replace(/^\$\{(\w+)\}$/, (argument, name: string) => defaults.get(name) ?? argument),
    );
}

/** Made on this machine by an earlier build, so in no registry. */
const LOCAL = /^smolvm-[a-z-]+$/;

/** Rules of our own: each gives what breaks it. */
const RULES: Record<string, (text: string) => string[]> = {
  "every image of a registry is fixed by digest": (text) =>
    imagesOf(text)
      .filter((image) => !LOCAL.test(image) && !stagesOf(text).includes(image))
      .filter((image) => !/@sha256:[0-9a-f]{64}$/.test(image)),
  "nothing is piped from the network into a shell": (text) =>
    commands(text).filter((command) => /\b(curl|wget)\b.*\|.*\b(ba|da|z)?sh\b/.test(command)),
  "npm installs what a lockfile fixes, and runs no script of it": (text) =>
    commands(text)
      .filter((command) => /^(sudo )?(\w+=\S* )*np[mx] (?!--version$)/.test(command))
      .filter((command) => !/\bnpm ci\b.* --ignore-scripts\b/.test(command)),
  "apt-get installs without recommendations": (text) =>
    commands(text).filter((command) => /\bapt(-get)? install\b(?!.*--no-install-recommends)/.test(command)),
  "apt finds the versions of one instant": (text) =>
    argumentsOf(text, "RUN")
      .filter((script) => /\bapt(-get)? (update|install)\b|\bapt_update\b/.test(script))
      .filter((script) => !/\bapt_update \d{8}T\d{6}Z;/.test(script) || /\bapt(-get)? update\b/.test(script)),
  "nothing is downloaded but by a package manager": (text) =>
    commands(text).filter((command) => /^(curl|wget|fetch|nc|scp|rsync)\b/.test(command)),
  "git fetches one commit": (text) =>
    commands(text).filter((command) => /^git (clone|pull|fetch)\b(?!.* [0-9a-f]{40}$)/.test(command)),
  "Python packages are those of a lockfile with hashes": (text) =>
    commands(text)
      .filter((command) => /\b(uv (sync|pip|tool|add)|uvx|pip3?|pipx) /.test(command))
      .filter((command) => !/\buv sync --frozen /.test(command)),
  "apk leaves no cache": (text) =>
    commands(text).filter((command) => /\bapk\b.*\badd\b(?!.*--no-cache)/.test(command)),
  "nothing is added from an address": (text) => argumentsOf(text, "ADD"),
  "COPY --from names an earlier stage of the file": (text) =>
    argumentsOf(text, "COPY")
      .flatMap((copy) => /--from=(\S+)/.exec(copy)?.[1] ?? [])
      .filter((stage) => !stagesOf(text).includes(stage)),
};

describe.each(dockerfiles)("%s", (_, text) => {
  it("passes the linter", () => {
    expect(validate(text).map(({ message }) => message)).toEqual([]);
  });

  it.each(Object.keys(RULES))("%s", (rule) => {
    expect(RULES[rule]!(text)).toEqual([]);
  });
});

it.each([
  ["an unknown instruction", "COPPY a b", "Unknown instruction: COPPY"],
  ["an instruction without arguments", "COPY", "COPY requires at least two arguments"],
])("the linter sees %s", (_, line, message) => {
  expect(validate(`FROM scratch\n${line}\n`).map((found) => found.message)).toEqual([message]);
});

it.each([
  ["every image of a registry is fixed by digest", "FROM ubuntu"],
  ["every image of a registry is fixed by digest", "FROM --platform=linux/arm64 ubuntu:24.04 AS base"],
  ["every image of a registry is fixed by digest", "ARG ROOTFS=alpine:3.24\nFROM ${ROOTFS}"],
  ["every image of a registry is fixed by digest", "FROM ${UNKNOWN}"],
  ["nothing is piped from the network into a shell", "RUN curl -fsSL https://example.com/x | sh"],
  [
    "nothing is piped from the network into a shell",
    "RUN wget -O- https://example.com/x \\\n    | sudo bash",
  ],
  ["npm installs what a lockfile fixes, and runs no script of it", "RUN npm install -g codex"],
  ["npm installs what a lockfile fixes, and runs no script of it", "RUN cd /opt && npm ci --omit=dev"],
  ["npm installs what a lockfile fixes, and runs no script of it", "RUN CI=1 npx codex"],
  [
    "apt-get installs without recommendations",
    "RUN apt-get update; \\\n    apt-get install -y \\\n      git",
  ],
  [
    "apt finds the versions of one instant",
    "RUN apt-get update; apt-get install --no-install-recommends git",
  ],
  [
    "apt finds the versions of one instant",
    "RUN apt_update today; apt-get install --no-install-recommends git",
  ],
  [
    "apt finds the versions of one instant",
    "RUN apt_update 20261120T000000Z; apt-get update; apt-get install --no-install-recommends git",
  ],
  ["nothing is downloaded but by a package manager", "RUN set -eu; curl -o /x https://example.com/x"],
  ["git fetches one commit", "RUN git clone --depth 1 https://example.com/agent"],
  ["git fetches one commit", "RUN cd /opt; git fetch -q https://example.com/agent main"],
  ["Python packages are those of a lockfile with hashes", "RUN uv sync --no-dev"],
  ["Python packages are those of a lockfile with hashes", "RUN python3 -m pip install agent"],
  ["apk leaves no cache", "RUN apk add git"],
  ["nothing is added from an address", "ADD https://example.com/x /x"],
  ["COPY --from names an earlier stage of the file", "FROM a AS tool\nCOPY --from=tools /a /b"],
])("the rule that %s catches %j", (rule, text) => {
  expect(RULES[rule]!(text)).toHaveLength(1);
});

describe("what a Dockerfile copies from the project", () => {
  /** Without programs, which the runtime fetches: each is an input by its address and sha256. */
  const copied = (text: string) =>
    argumentsOf(text, "COPY")
      .filter((copy) => !copy.startsWith("--from"))
      .flatMap((copy) => copy.split(" ").slice(0, -1))
      .filter((source) => !source.startsWith("programs/"));

  it("is there, or is made for its build", () => {
    const made = ["dockerfiles/tools/node_modules/"];
    const sources = dockerfiles.flatMap(([, text]) => copied(text));
    expect(sources).toContain("init/init");
    expect(
      sources.filter((source) => !made.includes(source) && !existsSync(join(REPOSITORY, source))),
    ).toEqual([]);
  });

  // A file that is copied but not among these would change an image without changing its inputs.
  it("is among the files that its cell's inputs are made from, and nothing else is", () => {
    const built = cellsOf(output).cells;
    expect(built).not.toEqual([]);
    for (const { dockerfile, files } of built) {
      const sources = copied(output.get(dockerfile)!);
      const covers = (source: string, file: string) =>
        source.endsWith("/") ? file.startsWith(source) : file === source;
      expect(sources.filter((source) => !files.some((file) => covers(source, file)))).toEqual([]);
      // The container in which the files of an appliance are packed, after the recipe.
      const packing: readonly string[] = PACKING_FILES;
      expect(
        files.filter((file) => !packing.includes(file) && !sources.some((source) => covers(source, file))),
      ).toEqual([]);
    }
  });
});
