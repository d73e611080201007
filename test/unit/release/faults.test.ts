import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Manifest } from "../../../pipeline/schema/manifest.ts";
import type { Failure, Fault, Operation } from "../../support/github/faults.ts";
import type { GitHub, HeldRelease } from "../../support/github/github.ts";
import { GitHubServer } from "../../support/github/server.ts";
import { bytesOf, Publisher } from "../../support/github/staging.ts";
import { sampleCells } from "../../support/tree.ts";

const all = sampleCells();
const IDS = ["kernel-amd64", "base-amd64-ubuntu", "codex-amd64-ubuntu"];
const cells = { ...all, cells: all.cells.filter(({ id }) => IDS.includes(id)) };
const ASSETS = cells.cells.flatMap(({ assets }) => assets);
const CODEX = "codex-amd64-ubuntu-rootfs.ext4.zst";

let server: GitHubServer;
let publisher: Publisher;
beforeEach(async () => {
  server = await GitHubServer.start();
  publisher = Publisher.staged(server, cells);
});
afterEach(() => server.stop());

const sha256 = (bytes: string) => createHash("sha256").update(bytes).digest("hex");

/** What every run must end in: one release of the tag, public, with exactly the right bytes, once. */
function expectPublished(github: GitHub): void {
  const ours = github.releases.filter(({ tag }) => tag === cells.tag);
  expect(ours.map(({ draft }) => draft)).toEqual([false]);
  const [release] = ours as [HeldRelease];
  expect(release.makeLatest).toBe("false");
  expect(release.assets.map(({ state }) => state).filter((state) => state !== "uploaded")).toEqual([]);
  const { "manifest.json": manifest, SHA256SUMS: sums, ...rest } = github.contents(release);
  const sboms = ASSETS.map((asset) => asset.replace(/\.(ext4\.zst|elf|image)$/, ".cdx.json"));
  expect(rest).toEqual(Object.fromEntries([...ASSETS, ...sboms].map((name) => [name, bytesOf(name)])));
  expect(Manifest.parse(JSON.parse(manifest!)).images.map(({ rootfs_sha256 }) => rootfs_sha256)).toEqual(
    Array(3).fill(sha256(bytesOf(CODEX))),
  );
  const lines = Object.entries({ ...rest, "manifest.json": manifest! }).map(
    ([name, bytes]) => `${sha256(bytes)}  ${name}`,
  );
  expect(sums!.trimEnd().split("\n").sort()).toEqual(lines.sort());
}

/** The right assets that are complete now, which nothing may take away. */
const complete = ({ releases }: GitHub): string[] =>
  releases.flatMap(({ assets }) =>
    assets
      .filter(({ name, bytes, state }) => state === "uploaded" && bytes.toString() === bytesOf(name))
      .map(({ name }) => name),
  );

interface Scenario {
  readonly what: string;
  readonly faults?: readonly Fault[];
  /** How GitHub is before it begins. */
  readonly before?: (github: GitHub) => void;
  /** The error; without one, it succeeds in spite of it all. */
  readonly error?: RegExp;
  /** What a person does about the error, before the same commands are run again. */
  readonly mend?: (github: GitHub) => void;
  /** What is run again. @default everything */
  readonly again?: () => Promise<void>;
}

const once = (what: string, on: Operation, failure: Failure, from = 1): Scenario => ({
  what,
  faults: [{ on, failure, from }],
});
const status = (
  code: number,
  when: "before" | "after",
  more: Partial<Extract<Failure, { kind: "status" }>> = {},
): Failure => ({
  kind: "status",
  status: code,
  when,
  ...more,
});
const reset = (when: "before" | "during" | "after", lists = 0): Failure => ({ kind: "reset", when, lists });
const resets = (seconds: number, clockMs = 0) => ({
  "x-ratelimit-remaining": "0",
  "x-ratelimit-reset": String(Math.floor((Date.now() + clockMs) / 1000) + seconds),
});
/** How `prepare` marks a draft that it makes. */
const MARKED = "<!-- prepared by an earlier run -->";
const HOUR = 3600_000;
const draftOf = (github: GitHub) => github.releases.find(({ tag }) => tag === cells.tag)!;
const readOnly = (github: GitHub) =>
  void github.tokens.set("good", { contents: "read", pull_requests: "read" });
const readWrite = (github: GitHub) =>
  void github.tokens.set("good", { contents: "write", pull_requests: "write" });

const SUCCEEDS: readonly Scenario[] = [
  { what: "nothing goes wrong" },
  once("a 502 comes before an upload's bytes were taken", "upload-asset", status(502, "before")),
  once("a 502 comes although all bytes have arrived", "upload-asset", status(502, "after"), 2),
  once(
    "a 500 comes although all bytes have arrived, and the list does not show them yet",
    "upload-asset",
    status(500, "after", { lists: 2 }),
  ),
  once("the connection breaks before an upload", "upload-asset", reset("before")),
  once("the connection breaks in the middle of an upload", "upload-asset", reset("during"), 3),
  once("the connection breaks when all bytes have arrived", "upload-asset", reset("after")),
  once("the connection breaks then, and the list does not show them yet", "upload-asset", reset("after", 3)),
  once("an upload leaves an asset in state starter", "upload-asset", { kind: "starter" }, 2),
  {
    what: "three uploads in a row leave a starter",
    faults: [{ on: "upload-asset", failure: { kind: "starter" }, times: 3 }],
  },
  once("nobody answers before an upload", "upload-asset", { kind: "silence", when: "before" }),
  once("nobody answers after an upload", "upload-asset", { kind: "silence", when: "after" }),
  once("an upload's answer is cut short", "upload-asset", { kind: "cut-answer" }, 2),
  once("an upload's answer comes in drops", "upload-asset", { kind: "drip" }),
  once("an upload is not listed at once", "upload-asset", { kind: "stale", lists: 3 }, 4),
  once("a digest is told only later", "upload-asset", { kind: "no-digest", answers: 2 }),
  {
    what: "digests are never told",
    faults: [{ on: "upload-asset", failure: { kind: "no-digest", answers: 1000 }, times: 99 }],
  },
  once(
    "GitHub asks to wait before an upload (403, Retry-After)",
    "upload-asset",
    status(403, "before", {
      headers: { "retry-after": "2" },
      message: "You have exceeded a secondary rate limit",
    }),
  ),
  once(
    "GitHub asks to wait before an upload (429, Retry-After)",
    "upload-asset",
    status(429, "before", { headers: { "retry-after": "1" } }),
  ),
  once(
    "GitHub does not say how long (403 secondary rate limit)",
    "upload-asset",
    status(403, "before", { message: "You have exceeded a secondary rate limit" }),
  ),
  once(
    "the rate limit is reached for half a minute",
    "list-assets",
    status(403, "before", { headers: resets(30) }),
  ),
  {
    what: "the rate limit is reached for half a minute, by a clock that is an hour ahead",
    before: (github) => {
      github.clockMs = HOUR;
    },
    faults: [{ on: "list-assets", failure: status(403, "before", { headers: resets(30, HOUR) }) }],
  },
  {
    what: "an earlier run has left a starter",
    before: (github) => void github.addAsset(github.addRelease(cells.tag), CODEX, "", { state: "starter" }),
  },
  {
    what: "an earlier run has left a starter, and its removal is not answered",
    before: (github) => void github.addAsset(github.addRelease(cells.tag), CODEX, "", { state: "starter" }),
    faults: [{ on: "delete-asset", failure: reset("after") }],
  },
  {
    what: "an earlier run has uploaded the asset",
    before: (github) => void github.addAsset(github.addRelease(cells.tag), CODEX, bytesOf(CODEX)),
  },
  {
    what: "an earlier run has uploaded the asset, whose digest is not told",
    before: (github) =>
      void github.addAsset(github.addRelease(cells.tag), CODEX, bytesOf(CODEX), { untold: 1000 }),
  },
  {
    what: "an earlier run has left another manifest on the draft",
    before: (github) => void github.addAsset(github.addRelease(cells.tag), "manifest.json", "{}"),
  },
  {
    what: "a hundred and fifty releases are newer than the draft",
    before: (github) => {
      github.addRelease(cells.tag);
      for (let version = 0; version < 150; version++) github.addRelease(`v1.${version}`, { draft: false });
    },
  },
  once("the list of releases answers 500", "list-releases", status(500, "before")),
  once("the list of releases breaks off", "list-releases", reset("after"), 2),
  once("the list of assets answers 503", "list-assets", status(503, "before"), 2),
  once("the list of assets is cut short", "list-assets", { kind: "cut-answer" }, 3),
  once("the list of assets is not answered", "list-assets", { kind: "silence", when: "before" }, 2),
  once("looking a release up answers 502", "get-release", status(502, "before")),
  once("a draft is not created (502)", "create-release", status(502, "before")),
  once("a draft is created, and the answer is a 502", "create-release", status(502, "after")),
  once(
    "a draft is created, the answer is lost, and the list does not show it yet",
    "create-release",
    reset("after", 2),
  ),
  once("a draft is created, and nobody answers", "create-release", { kind: "silence", when: "after" }),
  once("a draft is created, and the answer is cut short", "create-release", { kind: "cut-answer" }),
  once("somebody else creates a draft at the same moment", "create-release", {
    kind: "meanwhile",
    act: (github) => void github.addRelease(cells.tag),
  }),
  {
    what: "stale lists have led to three drafts, one of them with an asset",
    before: (github) => {
      github.addRelease(cells.tag, { body: MARKED });
      github.addAsset(github.addRelease(cells.tag, { body: MARKED }), CODEX, bytesOf(CODEX));
      github.addRelease(cells.tag, { body: MARKED });
    },
  },
  once("making it public is refused by a 502", "update-release", status(502, "before")),
  once("it is made public, and the answer is a 502", "update-release", status(502, "after")),
  once("it is made public, and the answer is lost", "update-release", reset("after")),
  once("making it public drops its tag", "update-release", { kind: "drop-tag" }),
  {
    what: "releases are immutable once they are public",
    before: (github) => {
      github.immutable = true;
    },
  },
];

/** An asset is complete with other bytes: it stays until a person empties the draft. */
const wrongBytes = (what: string, failure: Failure, from = 1): Scenario => ({
  ...once(what, "upload-asset", failure, from),
  error:
    /^\S+ is on example\/images on GitHub with other bytes \(sha256 \w+ there, \w+ here\): empty the draft/,
  mend: (github) => {
    draftOf(github).assets = [];
  },
});

const FAILS: readonly Scenario[] = [
  wrongBytes("half of an upload is lost", { kind: "truncate" }, 4),
  wrongBytes("half of an upload is lost, and so is the answer", { kind: "truncate", lost: true }),
  wrongBytes("other bytes arrive, and the answer is lost", { kind: "corrupt", lost: true }, 3),
  wrongBytes("other bytes arrive, as many", { kind: "corrupt" }),
  {
    what: "uploads are answered with 502 for good",
    faults: [{ on: "upload-asset", failure: status(502, "before"), from: 3, times: 99 }],
    error: /^\S+: GitHub answers 502 \(Server Error\): run the same command again later$/,
  },
  {
    what: "GitHub cannot be reached for good",
    faults: [{ on: "list-assets", failure: reset("before"), from: 2, times: 99 }],
    error:
      /^no answer from http:\/\/127\.0\.0\.1:\d+ \(.+\): check the network, and run the same command again$/,
  },
  {
    what: "the rate limit is reached for an hour",
    faults: [{ on: "upload-asset", failure: status(403, "before", { headers: resets(3600) }), from: 2 }],
    error:
      /GitHub's rate limit is reached until \d\d:\d\d UTC \(Server Error\): run the same command again after that$/,
  },
  {
    ...once("GitHub renames an asset", "upload-asset", { kind: "rename" }),
    error: /^GitHub renamed \S+ to other-\S+: choose another name, and empty the draft/,
    mend: (github) => {
      draftOf(github).assets = [];
    },
  },
  {
    what: "the draft has other bytes under the name",
    before: (github) => void github.addAsset(github.addRelease(cells.tag), CODEX, "older bytes"),
    error: new RegExp(
      `^${CODEX} is on example/images on GitHub with other bytes \\(sha256 ${sha256("older bytes")} there, ` +
        `${sha256(bytesOf(CODEX))} here\\): empty the draft with \`npx smolvm-images release prepare --empty\``,
    ),
    mend: (github) => {
      draftOf(github).assets = [];
    },
  },
  {
    what: "there are two drafts for the tag",
    before: (github) => {
      github.addRelease(cells.tag);
      github.addRelease(cells.tag);
    },
    error: new RegExp(
      `^example/images on GitHub has 2 drafts for ${cells.tag}, but there must be only one: remove all but one`,
    ),
    mend: (github) => void github.releases.pop(),
  },
  {
    what: "two drafts for the tag have assets",
    before: (github) => {
      github.addAsset(github.addRelease(cells.tag, { body: MARKED }), CODEX, bytesOf(CODEX));
      github.addAsset(github.addRelease(cells.tag, { body: MARKED }), ASSETS[0]!, bytesOf(ASSETS[0]!));
    },
    error: /has 2 drafts for/,
    mend: (github) => void github.releases.pop(),
  },
  {
    what: "the tag is published already",
    before: (github) => void github.addRelease(cells.tag, { draft: false }),
    error:
      /is published on example\/images on GitHub, and a published release is never changed: choose a new tag/,
    mend: (github) => void github.releases.pop(),
  },
  {
    ...once("somebody publishes the release in the middle", "upload-asset", status(502, "before"), 2),
    faults: [
      {
        on: "upload-asset",
        failure: {
          kind: "meanwhile",
          act: (github) => {
            draftOf(github).draft = false;
          },
        },
        from: 2,
      },
    ],
    error: /is published on example\/images on GitHub, and a published release is never changed/,
    mend: (github) => {
      draftOf(github).draft = true;
    },
  },
  {
    what: "the token may only read",
    before: readOnly,
    error:
      /^the token may not do this in example\/images \(403 Resource not accessible by integration\): it needs contents: write; in a workflow, the job's `permissions: \{ contents: write \}`$/,
    mend: readWrite,
  },
  {
    what: "the token may only read from the second upload on",
    faults: [{ on: "upload-asset", failure: { kind: "meanwhile", act: readOnly }, from: 2 }],
    // The request that is under way still has the old permissions; the next one does not see the draft.
    error: /^there is no release \d+ on example\/images on GitHub, or the token may not see drafts/,
    mend: readWrite,
  },
  {
    what: "the token is not valid",
    before: (github) => void github.tokens.delete("good"),
    error: /^GitHub does not accept the token \(401 Bad credentials\): set GITHUB_TOKEN to a valid token$/,
    mend: readWrite,
  },
  {
    what: "the token is not valid, and the clock is an hour behind",
    before: (github) => {
      github.tokens.delete("good");
      github.clockMs = HOUR;
    },
    error:
      /\(401 Bad credentials\); this machine's clock is 3\d{3} s behind GitHub's: set GITHUB_TOKEN to a valid token$/,
    mend: readWrite,
  },
  {
    ...once(
      "the draft is removed in the middle",
      "list-assets",
      { kind: "meanwhile", act: (github) => void github.releases.pop() },
      2,
    ),
    error: /does not exist on|there is no release \d+ on example\/images/,
  },
  {
    ...once("an asset is removed before it is published", "update-release", { kind: "drip" }),
    faults: [
      {
        on: "list-assets",
        failure: { kind: "meanwhile", act: (github) => void draftOf(github).assets.shift() },
        from: ASSETS.length + 1,
      },
    ],
    error:
      /^vmlinux-amd64\.elf: not on the release \(`npx smolvm-images cell kernel-amd64 --stage upload`\)$/,
  },
  {
    what: "the draft has an asset that no cell makes",
    before: (github) => void github.addAsset(github.addRelease(cells.tag), "notes.txt", "hello"),
    error: /^notes\.txt: on the release, but no cell makes it$/,
    mend: (github) => void draftOf(github).assets.splice(0, 1),
  },
  {
    what: "a draft's tag is dropped whatever is done",
    faults: [{ on: "update-release", failure: { kind: "drop-tag" }, times: 99 }],
    error:
      /does not become public under its tag on example\/images on GitHub: look at \S+, and run the same command again$/,
    again: async () => {
      const [release] = server.github.releases;
      await publisher.publish(await publisher.store().open(String(release!.id)));
    },
  },
];

describe("publishing succeeds, with exactly the right bytes once, when", () => {
  it.each(SUCCEEDS)("$what", async ({ faults = [], before }) => {
    before?.(server.github);
    for (const fault of faults) server.faults.add(fault);
    await publisher.all();
    expectPublished(server.github);
    // The fault has happened: a table of faults that never do would prove nothing.
    if (faults.every(({ times = 1 }) => times < 50)) expect(server.faults.pending).toBe(0);
  });
});

describe("publishing stops with one clear line, loses nothing, and succeeds when it is run again, when", () => {
  it.each(FAILS)("$what", async ({ faults = [], before, error, mend, again }) => {
    before?.(server.github);
    for (const fault of faults) server.faults.add(fault);
    const failure = await publisher.all().then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(failure?.message).toMatch(error!);
    expect(failure?.message).not.toContain("\n");
    const kept = complete(server.github);
    // Every asset that a failed run removed was the rest of an interrupted upload.
    expect(server.github.removed.filter(({ state }) => state === "uploaded")).toEqual([]);
    server.faults.clear();
    mend?.(server.github);
    const uploads = server.requests.length;
    await (again ?? (() => publisher.all()))();
    expectPublished(server.github);
    // What was there is not sent again, unless the person has removed it.
    const sent = server.requests.slice(uploads).filter((request) => /^POST .*\/assets$/.test(request)).length;
    const total = Object.keys(server.github.contents(draftOf(server.github))).length;
    if (!mend) expect(sent).toBeLessThanOrEqual(total - kept.length);
  });
});

it("the table has at least forty scenarios", () => {
  expect(SUCCEEDS.length + FAILS.length).toBeGreaterThanOrEqual(40);
});
