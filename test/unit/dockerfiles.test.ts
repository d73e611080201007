import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { validate } from "dockerfile-utils";
import { describe, expect, it } from "vitest";
import { synth } from "../../pipeline/synth/synth.ts";
import { REPOSITORY } from "../support/project.ts";
import { publishedApp } from "../support/tree.ts";

const handWritten = ["tools", "boot-kernel"].map((name) => `dockerfiles/${name}/Dockerfile`);
const dockerfiles: [string, string][] = [
  ...[...synth(publishedApp())].filter(([path]) => path.endsWith(".Dockerfile")),
  ...handWritten.map((path): [string, string] => [path, readFileSync(join(REPOSITORY, path), "utf8")]),
];

/** Rules of our own: each gives the lines that break it. */
const RULES: Record<string, (text: string) => string[]> = {
  "every image of a registry is fixed by digest": (text) =>
    [...text.matchAll(/^(?:FROM|ARG ROOTFS=)\s*(\S+)/gm)]
      .map(([, image]) => image!)
      .filter((image) => /[:/]/.test(image) && !/@sha256:[0-9a-f]{64}$/.test(image)),
  "nothing is piped from the network into a shell": (text) =>
    text.match(/(curl|wget)[^\n]*\|[^\n]*sh\b/g) ?? [],
  "npm installs what a lockfile fixes, and runs no script of it": (text) => [
    ...(text.match(/npm (install|i|exec)\b.*/g) ?? []),
    ...(text.match(/npm ci(?!.*--ignore-scripts).*/g) ?? []),
  ],
  "apt-get installs without recommendations": (text) =>
    text.match(/apt-get install(?!.*--no-install-recommends).*/g) ?? [],
  "apk leaves no cache": (text) => text.match(/apk add(?!.*--no-cache).*/g) ?? [],
  "nothing is added from an address": (text) => text.match(/^ADD .*/gm) ?? [],
  "COPY --from names a stage of the file": (text) => {
    const stages = new Set([...text.matchAll(/^FROM \S+ AS (\S+)/gm)].map(([, stage]) => stage));
    return [...text.matchAll(/^COPY --from=(\S+)/gm)]
      .map(([, stage]) => stage!)
      .filter((stage) => !stages.has(stage));
  },
};

describe.each(dockerfiles)("%s", (_, text) => {
  it("passes the linter", () => {
    expect(validate(text).filter(({ severity }) => severity === 1)).toEqual([]);
  });

  it.each(Object.keys(RULES))("%s", (rule) => {
    expect(RULES[rule]!(text)).toEqual([]);
  });
});

it.each([
  ["every image of a registry is fixed by digest", "FROM ubuntu:24.04"],
  ["nothing is piped from the network into a shell", "RUN curl -fsSL https://example.com/install | sh"],
  ["npm installs what a lockfile fixes, and runs no script of it", "RUN npm install -g codex"],
  ["npm installs what a lockfile fixes, and runs no script of it", "RUN npm ci"],
  ["apt-get installs without recommendations", "RUN apt-get install -y git"],
  ["apk leaves no cache", "RUN apk add git"],
  ["nothing is added from an address", "ADD https://example.com/x /x"],
  ["COPY --from names a stage of the file", "COPY --from=tools /a /b"],
])("the rule that %s catches `%s`", (rule, line) => {
  expect(RULES[rule]!(line)).toHaveLength(1);
});

it("every file that a Dockerfile copies from the project is there, or made for its build", () => {
  const made = ["dockerfiles/tools/node_modules/"];
  const missing = dockerfiles.flatMap(([, text]) =>
    [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)]
      .flatMap(([, sources]) => sources!.split(" "))
      .filter((source) => !made.includes(source))
      .filter(
        (source) =>
          !readdirSync(join(REPOSITORY, source, "..")).includes(source.split("/").filter(Boolean).at(-1)!),
      ),
  );
  expect(missing).toEqual([]);
});
