import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { connect } from "../../../../pipeline/image/docker/engine.ts";
import { buildNetwork } from "../../../../pipeline/image/docker/network.ts";
import { inputsWith } from "../../../../pipeline/plan/freshness.ts";
import { type Outcome, runCells } from "../../../../pipeline/runtime/run-cells.ts";
import type { CellOptions, Workshop } from "../../../../pipeline/runtime/workshop.ts";
import { ofKind } from "../../../../pipeline/schema/kinds/index.ts";
import { StagingDirectory } from "../../../../pipeline/stores/directory/staging.ts";
import { type Answer, type Engine, startEngine } from "../../../support/docker-server.ts";
import { recordedRun, tempDirectory } from "../../../support/run.ts";
import { tarOf } from "../../../support/tar.ts";
import { sampleCells, sampleCheckout } from "../../../support/tree.ts";

const cells = sampleCells();
const base = ofKind(cells.cells, "base").find(({ id }) => id === "base-amd64-ubuntu")!;
const EPOCH = cells.source_date_epoch + 1;
/** The names of its container image, as declared and with another SOURCE_DATE_EPOCH. */
const images = [base.inputs, inputsWith(base, [`SOURCE_DATE_EPOCH=${EPOCH}`])].map(
  (inputs) => `smolvm/${base.id}:${inputs.slice(0, 12)}`,
);
const SAVED = `${base.id}-${base.inputs.slice(0, 12)}`;
const bytes = Buffer.from("a saved image");

let root: string;
let bases: string;
beforeEach(() => {
  root = sampleCheckout();
  bases = join(root, "bases");
  mkdirSync(dirname(join(root, base.dockerfile)), { recursive: true });
  writeFileSync(join(root, base.dockerfile), "FROM scratch\n");
});

interface Machine {
  readonly engine: Engine;
  readonly workshop: Workshop;
}

interface Given extends Partial<CellOptions> {
  /** Whether the packages of its tool container are those of the current archive. @default false */
  readonly toolsLive?: boolean;
  /** What its Docker answers when the image is saved. @default the image */
  readonly saved?: Answer;
}

/** A machine whose Docker builds the base. */
async function machine({ toolsLive = false, saved = { bytes }, ...options }: Given = {}): Promise<Machine> {
  let built = false;
  const from = base.sources[0]!;
  const parent = from.from === "image" ? from.image : "?";
  const exported = await tarOf([{ name: "etc/" }, { name: "etc/hostname", body: "x" }]);
  const engine = await startEngine({
    [`GET /images/${parent}/json`]: { json: { Architecture: "amd64" } },
    "POST /build": () => {
      built = true;
      return { lines: [{ stream: "done\n" }] };
    },
    "POST /images/load": () => {
      built = true;
      return { lines: [] };
    },
    ...Object.fromEntries(
      images.flatMap((image) => [
        [
          `GET /images/${image}/json`,
          () => (built ? { json: { Id: "x" } } : { status: 404, json: { message: "no such image" } }),
        ],
        [`GET /images/${image}/get`, saved],
      ]),
    ),
    "POST /containers/create": { status: 201, json: { Id: "one" } },
    // Its storage has no layers that can be mounted.
    "GET /containers/one/json": { json: { Id: "one" } },
    "GET /containers/one/export": { bytes: exported },
    "DELETE /containers/one": { status: 204, json: null },
  });
  vi.stubEnv("DOCKER_HOST", engine.host);
  const cache = tempDirectory();
  const network = buildNetwork({}, {});
  const workshop: Workshop = {
    ...{
      cells,
      cache,
      toolsLive,
      run: recordedRun(),
      docker: await connect(),
      epoch: cells.source_date_epoch,
    },
    ...{
      arch: "amd64",
      archs: ["amd64"],
      tools: "tools",
      staging: new StagingDirectory(join(root, "store")),
    },
    options: { ...{ root, network, bases, level: 19, noCache: false, secrets: [] }, ...options },
  };
  vi.unstubAllEnvs();
  return { engine, workshop };
}

async function run({ workshop }: Machine): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  await runCells(workshop, [base], ["container"], (outcome) => outcomes.push(outcome));
  return outcomes;
}
const built = ({ engine }: Machine) => engine.requests.filter(({ path }) => path === "/build").length;

describe("the stage container of a base", () => {
  it("saves its container image, stages nothing, and another machine takes the image from there", async () => {
    const first = await machine();
    expect(await run(first)).toEqual([{ id: base.id, result: "container", facts: [] }]);
    expect(built(first)).toBe(1);
    expect(readdirSync(bases).sort()).toEqual([`${SAVED}.json`, `${SAVED}.tar`]);
    expect(readFileSync(join(bases, `${SAVED}.tar`)).equals(bytes)).toBe(true);
    expect(existsSync(join(root, "store"))).toBe(false);

    const second = await machine();
    expect(await run(second)).toEqual([{ id: base.id, result: "container", facts: [] }]);
    const loaded = second.engine.requests.find(({ path }) => path === "/images/load");
    expect([built(second), loaded?.body.equals(bytes)]).toEqual([0, true]);
  });

  it("with --as-declared refuses packages of the current archive, also on a machine that did not fetch them", async () => {
    const message = `${base.id}: not as declared: apt=live`;
    await expect(run(await machine({ toolsLive: true, asDeclared: true }))).rejects.toThrow(message);
    await expect(run(await machine({ asDeclared: true }))).rejects.toThrow(message);
    // Who accepts the difference gets the image; its facts will say so.
    expect(await run(await machine())).toMatchObject([{ result: "container" }]);
  });

  it("with --as-declared refuses what the user overrides", async () => {
    await expect(run(await machine({ asDeclared: true, epoch: EPOCH }))).rejects.toThrow(
      `${base.id}: not as declared: SOURCE_DATE_EPOCH=${EPOCH}`,
    );
  });

  it("leaves no record of an image that it could not save", async () => {
    const saved = { status: 500, json: { message: "no space left on device" } };
    await expect(run(await machine({ saved }))).rejects.toThrow("no space left");
    expect(readdirSync(bases)).toEqual([]);
  });
});
