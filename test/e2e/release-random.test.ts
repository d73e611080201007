import fc from "fast-check";
import { expect, it } from "vitest";
import { readCells } from "../../pipeline/runtime/read-cells.ts";
import { SUMS_ASSET } from "../../pipeline/schema/names.ts";
import { PipelineError } from "../../pipeline/util/error.ts";
import type { Failure, Fault, Operation } from "../support/github/faults.ts";
import type { GitHub } from "../support/github/github.ts";
import { GitHubServer } from "../support/github/server.ts";
import { bytesOf, Publisher, Refused, stage } from "../support/github/staging.ts";
import { REPOSITORY } from "../support/project.ts";
import { tempDirectory } from "../support/run.ts";

/** Sequences of faults, each over a full release: a multiple of what a year of releases would see. */
const SEQUENCES = 200;
/** The same sequences each time, so that what fails is what was changed; FAULT_SEED=… looks for new ones. */
const SEED = Number(process.env.FAULT_SEED ?? 5);

/** How often a maintainer runs it again before the faults end. */
const TRIES = 3;

const cells = readCells(REPOSITORY);
const published = cells.cells.filter((cell) => cell.published);
const assets = published.flatMap((cell) => cell.assets);

const anytime: Failure[] = [
  { kind: "status", status: 502, when: "before" },
  { kind: "status", status: 500, when: "after" },
  { kind: "status", status: 403, when: "before", message: "You have exceeded a secondary rate limit" },
  { kind: "status", status: 429, when: "before", headers: { "retry-after": "3" } },
  { kind: "status", status: 401, when: "before", message: "Bad credentials" },
  { kind: "reset", when: "before" },
  { kind: "reset", when: "after" },
  { kind: "cut-answer" },
  { kind: "drip" },
];
/** What can go wrong with a request, beside what can with any. */
const FAILURES: Partial<Record<Operation, Failure[]>> = {
  "list-releases": [],
  "create-release": [
    { kind: "stale", lists: 2 },
    { kind: "reset", when: "after", lists: 2 },
  ],
  "get-release": [],
  "update-release": [],
  "list-assets": [],
  "delete-asset": [],
  "upload-asset": [
    { kind: "reset", when: "during" },
    { kind: "reset", when: "after", lists: 3 },
    { kind: "status", status: 502, when: "after", lists: 1 },
    { kind: "starter" },
    { kind: "stale", lists: 3 },
    { kind: "no-digest", answers: 3 },
    { kind: "no-digest", answers: 1000 },
  ],
};

/** Requests that a release needs once or twice; of the others there are dozens. */
const RARE: readonly Operation[] = ["create-release", "update-release", "list-releases"];

const spoiled = fc.constantFrom(...(Object.keys(FAILURES) as Operation[])).chain((on) =>
  fc.record({
    on: fc.constant(on),
    failure: fc.constantFrom(...anytime, ...FAILURES[on]!),
    from: fc.integer({ min: 1, max: RARE.includes(on) ? 2 : 50 }),
    times: fc.integer({ min: 1, max: 8 }),
  }),
);

/** A tag that is dropped each time is in the table of faults: nothing can be done about it. */
const dropped = fc.constant<Fault>({ on: "update-release", failure: { kind: "drop-tag" } });
const fault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 20, arbitrary: spoiled },
  { weight: 1, arbitrary: dropped },
);

/** Names of the assets that are on a release, whole and with the right bytes. */
const right = (github: GitHub): string[] =>
  github.releases.flatMap((release) =>
    release.assets
      .filter(({ name, bytes, state }) => state === "uploaded" && bytes.equals(Buffer.from(bytesOf(name))))
      .map(({ name }) => name),
  );

/** However it went: nothing that was there is gone, and nothing is public that is not complete. */
function expectNothingLost(github: GitHub, before: readonly string[]): void {
  const now = right(github);
  expect(now).toEqual(expect.arrayContaining([...before]));
  for (const release of github.releases.filter(({ draft }) => !draft)) {
    const names = release.assets.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining([...assets, "manifest.json", SUMS_ASSET]));
    expect(now).toEqual(expect.arrayContaining(assets));
  }
}

/** Everything, from the beginning; a release that is public is complete, and only its last job is run again. */
async function run(publisher: Publisher, { releases }: GitHub): Promise<void> {
  const open = releases.find(({ draft }) => !draft);
  if (!open) return await publisher.all();
  const { problems } = await publisher.publish(await publisher.store().open(String(open.id)));
  if (problems.length > 0) throw new Refused(problems);
}

/**
 * The last run, without faults. Where wrong bytes have arrived and could not be removed, the line that says so names
 * the command that does.
 */
async function finish(publisher: Publisher, github: GitHub): Promise<void> {
  try {
    await run(publisher, github);
  } catch (error) {
    if (!(error instanceof PipelineError) || !error.message.includes("prepare --empty")) throw error;
    const store = publisher.store();
    const release = await publisher.prepare(store);
    for (const asset of await store.assets(release)) await store.discard(release, asset);
    await run(publisher, github);
  }
}

const ends = { failed: 0, succeeded: 0 };

/** A maintainer runs it some times while things go wrong, and once more when they do not. */
async function survives(faults: readonly Fault[], directory: string): Promise<void> {
  const server = await GitHubServer.start();
  const { github } = server;
  try {
    const publisher = new Publisher(server, cells, directory);
    for (const each of faults) server.faults.add(each);
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      const before = right(github);
      const failure: unknown = await run(publisher, github).catch((error) => error);
      if (failure) ends.failed++;
      else ends.succeeded++;
      expect(!failure || failure instanceof PipelineError || failure instanceof Refused).toBe(true);
      expectNothingLost(github, before);
    }
    server.faults.clear();
    await finish(publisher, github);
    expectNothingLost(github, assets);
    expect(github.releases).toHaveLength(1);
    expect(github.releases[0]).toMatchObject({ tag: cells.tag, draft: false });
  } finally {
    await server.stop();
  }
}

it(`loses nothing in ${SEQUENCES} sequences of faults, each over a release of all ${published.length} cells`, async () => {
  expect(published).toHaveLength(22);
  const directory = tempDirectory();
  stage(cells, directory);
  const faults = fc.array(fault, { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(faults, (each) => survives(each, directory)),
    { numRuns: SEQUENCES, seed: SEED },
  );
  // Both ways to end were seen, or the faults were too many or too few to prove anything.
  expect(Math.min(ends.failed, ends.succeeded)).toBeGreaterThan(SEQUENCES / 10);
});
