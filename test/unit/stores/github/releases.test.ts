import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { storedAsset } from "../../../../pipeline/stores/github/api.ts";
import { GitHubClient, PATIENCE } from "../../../../pipeline/stores/github/client.ts";
import { GitHubError } from "../../../../pipeline/stores/github/failure.ts";
import { propose } from "../../../../pipeline/stores/github/propose.ts";
import { GitHubReleases } from "../../../../pipeline/stores/github/releases.ts";
import type { Outgoing, StoredRelease } from "../../../../pipeline/stores/store.ts";
import type { Failure, Fault } from "../../../support/github/faults.ts";
import { GitHubServer } from "../../../support/github/server.ts";
import { type RecordedRun, recordedRun, tempDirectory } from "../../../support/run.ts";

const TAG = "images-v1";
const FAST = {
  ...PATIENCE,
  attempts: 4,
  polls: 3,
  firstMs: 0.1,
  longestMs: 1,
  secondMs: 0.05,
  silenceMs: 400,
};

let server: GitHubServer;
let run: RecordedRun;
let client: GitHubClient;
let store: GitHubReleases;
beforeEach(async () => {
  server = await GitHubServer.start();
  run = recordedRun();
  const { repository } = server.github;
  client = new GitHubClient({ token: "good", repository, apiUrl: server.url, patience: FAST }, run);
  store = new GitHubReleases(client);
});
afterEach(() => server.stop());

const stored = (id: number, state: "draft" | "published" = "draft"): StoredRelease => ({
  ...{ id: String(id), tag: TAG, state, url: "" },
});
const status = (code: number): Failure => ({ kind: "status", status: code, when: "before" });
const fault = (on: Fault["on"], failure: Failure, times = 99) => server.faults.add({ on, failure, times });
const count = (request: RegExp) => server.requests.filter((each) => request.test(each)).length;
function file(name = "a.zst", bytes = "the bytes"): Outgoing {
  const path = join(tempDirectory(), name);
  writeFileSync(path, bytes);
  return { name, path, size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

describe("a release on GitHub", () => {
  it("is prepared as a draft of the tag, for the commit that it is made from", async () => {
    const made = await new GitHubReleases(client, "0123abc").prepare(TAG);
    const [draft] = server.github.releases;
    expect(draft).toMatchObject({ tag: TAG, draft: true, commit: "0123abc" });
    expect(draft!.body).toMatch(/manifest\.json[\s\S]*<!-- prepared \S+ -->$/);
    expect(made).toEqual({
      id: String(draft!.id),
      tag: TAG,
      state: "draft",
      url: expect.stringContaining("untagged"),
    });
    // Two of ours have marks of their own: each is looked for by its own.
    await store.prepare("images-v2");
    expect(server.github.releases[1]).toMatchObject({ commit: "main" });
    expect(server.github.releases[1]!.body).not.toBe(draft!.body);
  });

  it("is found by its tag as a draft and when it is published, and another one is not", async () => {
    server.github.addRelease("images-v0", { draft: false });
    expect(await store.find(TAG)).toBeUndefined();
    const draft = server.github.addRelease(TAG);
    expect(await store.find(TAG)).toMatchObject({ id: String(draft.id), state: "draft" });
    // A draft that has lost its tag still has its name; the name of one with a tag means nothing.
    draft.tag = "untagged-1";
    expect(await store.find(TAG)).toMatchObject({ id: String(draft.id), tag: TAG });
    server.github.addRelease("v9", { name: "images-v7" });
    expect(await store.find("images-v7")).toBeUndefined();
    const published = server.github.addRelease(TAG, { draft: false });
    expect(await store.find(TAG)).toMatchObject({ id: String(published.id), state: "published" });
    expect((await store.list()).map(({ tag }) => tag).sort()).toEqual(["images-v0", TAG, TAG, "v9"]);
  });

  it.each(["", "0", "-1", "1x", "x1", "1.5", "01"])(
    "is not asked for by %j, which is no number of one",
    async (id) => {
      await expect(store.open(id)).rejects.toThrow(`--release-id "${id}" is not a release's number`);
      expect(server.requests).toEqual([]);
    },
  );

  it("that is not there is told so, and how its id is had; another failure stays what it is", async () => {
    await expect(store.open("7")).rejects.toThrow(
      /^there is no release 7 on example\/images on GitHub, or .*`npm run release -- prepare` prints the id.*`contents: write`$/,
    );
    fault("get-release", status(422), 1);
    await expect(store.open("7")).rejects.toThrow(/^GitHub refuses: 422/);
  });

  it("leaves one of several drafts that we have made, used ones first, else the oldest", async () => {
    const body = "<!-- prepared by an earlier run -->";
    const [first, second] = [0, 1].map(() => server.github.addRelease(TAG, { body }));
    expect((await store.prepare(TAG)).id).toBe(String(first!.id));
    expect(server.github.releases.map(({ id }) => id)).toEqual([first!.id]);
    const third = server.github.addRelease(TAG, { body });
    server.github.addAsset(third, "a.zst", "x");
    expect((await store.prepare(TAG)).id).toBe(String(third.id));
    expect(second).toBeDefined();
    // Only `prepare` removes one; who reads does not.
    server.github.addRelease(TAG, { body });
    await store.find(TAG);
    expect(server.github.releases).toHaveLength(2);
  });

  it("of which somebody else has made a second draft is a matter for a person, who is told how", async () => {
    const drafts = [server.github.addRelease(TAG), server.github.addRelease(TAG, { body: "mine" })];
    const error = await store.prepare(TAG).catch((reason) => reason);
    expect(error.message).toMatch(/^example\/images on GitHub has 2 drafts for images-v1, and one is needed/);
    for (const { id } of drafts) {
      expect(error.details.join("\n")).toContain(`gh api -X DELETE repos/example/images/releases/${id} `);
    }
    expect(server.github.releases).toHaveLength(2);
  });

  it("that is public takes no twin with it but one of ours that nobody has used", async () => {
    const draft = server.github.addRelease(TAG, { draft: false });
    const mine = server.github.addRelease(TAG, { body: "somebody's own" });
    server.github.addRelease(TAG, { body: "<!-- prepared x -->" });
    expect(await store.publish(stored(draft.id))).toMatchObject({ state: "published" });
    expect(server.github.releases.map(({ id }) => id)).toEqual([draft.id, mine.id]);
    expect(count(/^PATCH/)).toBe(0);
  });

  it("may be removed twice; whoever may not is told so", async () => {
    const { id } = server.github.addRelease(TAG);
    await store.remove(stored(id));
    await store.remove(stored(id));
    expect(server.github.releases).toEqual([]);
    fault("delete-release", status(422));
    await expect(store.remove(stored(id))).rejects.toThrow("GitHub refuses: 422");
  });
});

describe("an asset on GitHub", () => {
  it("is what the list says of it", async () => {
    const release = server.github.addRelease(TAG);
    const whole = server.github.addAsset(release, "a.zst", "bytes");
    const cut = server.github.addAsset(release, "b.zst", "", { state: "starter" });
    expect(await store.assets(stored(release.id))).toEqual([
      {
        ...{ id: String(whole.id), name: "a.zst", size: 5, complete: true },
        sha256: createHash("sha256").update("bytes").digest("hex"),
      },
      { id: String(cut.id), name: "b.zst", size: 0, complete: false, sha256: undefined },
    ]);
  });

  it("that is expected, and missing or unfinished, is looked for again, so often and no more", async () => {
    const release = server.github.addRelease(TAG);
    const late = server.github.addAsset(release, "a.zst", "bytes", { hidden: 2 });
    expect((await store.assets(stored(release.id), ["a.zst"])).map(({ name }) => name)).toEqual(["a.zst"]);
    expect(run.steps).toEqual(Array(2).fill("wait for GitHub's list, which lacks 1 of 1 assets"));
    late.state = "starter";
    server.requests.length = 0;
    expect(await store.assets(stored(release.id), ["a.zst", "b.zst"])).toHaveLength(1);
    expect(count(/^GET .*\/assets$/)).toBe(FAST.polls + 1);
    server.requests.length = 0;
    await store.assets(stored(release.id));
    expect(count(/^GET .*\/assets$/)).toBe(1);
  });

  it("is hashed where GitHub does not say what it holds, and only then", async () => {
    const release = server.github.addRelease(TAG);
    const { id } = server.github.addAsset(release, "a.zst", "bytes");
    const sha256 = createHash("sha256").update("bytes").digest("hex");
    const asset = { id: String(id), name: "a.zst", size: 5, complete: true, sha256: undefined };
    expect(await store.digest(asset)).toBe(sha256);
    server.requests.length = 0;
    expect(await store.digest({ ...asset, sha256: "told" })).toBe("told");
    expect(server.requests).toEqual([]);
    expect(await store.hash({ ...asset, sha256: "told" })).toBe(sha256);
  });

  it("is never taken from a published release, and taken from a draft once", async () => {
    const release = server.github.addRelease(TAG);
    const { id } = server.github.addAsset(release, "a.zst", "bytes");
    const asset = { id: String(id), name: "a.zst", size: 5, complete: true, sha256: undefined };
    await expect(store.discard(stored(release.id, "published"), asset)).rejects.toThrow(
      "images-v1 is published on example/images on GitHub, and a published release is never changed",
    );
    expect(release.assets).toHaveLength(1);
    await store.discard(stored(release.id), asset);
    await store.discard(stored(release.id), asset);
    expect(release.assets).toEqual([]);
    fault("delete-asset", status(422));
    await expect(store.discard(stored(release.id), asset)).rejects.toThrow("422");
  });
});

describe("an upload", () => {
  it("says whether it was sent, or was there; and how far it is", async () => {
    const release = server.github.addRelease(TAG);
    expect(await store.send(stored(release.id), file())).toBe("sent");
    expect(run.bytes).toEqual([{ done: 9, total: 9 }]);
    expect(await store.send(stored(release.id), file())).toBe("there");
    expect(count(/^POST/)).toBe(1);
  });

  it("to a published release is refused, unless its very bytes are there", async () => {
    const release = server.github.addRelease(TAG, { draft: false });
    server.github.addAsset(release, "a.zst", "the bytes");
    expect(await store.send(stored(release.id), file())).toBe("there");
    await expect(store.send(stored(release.id), file("b.zst"))).rejects.toThrow("never changed");
    await expect(store.send(stored(release.id), file("a.zst", "others"))).rejects.toThrow(
      /^a\.zst is on example\/images on GitHub with other bytes .*: empty the draft with `npm run release -- prepare --empty`/,
    );
    expect(count(/^POST/)).toBe(0);
    expect(count(/^DELETE/)).toBe(0);
  });

  it("of other bytes leaves what is there, also after a try that failed for a limit", async () => {
    const release = server.github.addRelease(TAG);
    fault("upload-asset", { ...status(429), headers: { "retry-after": "1" } } as Failure, 1);
    fault(
      "list-assets",
      { kind: "meanwhile", act: () => void server.github.addAsset(release, "a.zst", "theirs") },
      1,
    );
    server.github.addAsset(release, "other.zst", "x");
    await expect(store.send(stored(release.id), file())).rejects.toThrow("with other bytes");
    expect(release.assets.map(({ name, bytes }) => `${name} ${bytes}`)).toEqual([
      "other.zst x",
      "a.zst theirs",
    ]);
  });

  it("that fails for good names the file, what was wrong, and how often was tried", async () => {
    const release = server.github.addRelease(TAG);
    fault("upload-asset", status(503));
    await expect(store.send(stored(release.id), file())).rejects.toThrow(/^a\.zst: GitHub answers 503/);
    expect(count(/^POST/)).toBe(FAST.attempts);
    expect(run.warnings).toEqual(
      Array(FAST.attempts - 1).fill("GitHub answers 503 (Server Error); trying again"),
    );
  });

  it("of a file that is gone says so, once", async () => {
    const release = server.github.addRelease(TAG);
    const gone = { ...file(), path: join(tempDirectory(), "gone") };
    await expect(store.send(stored(release.id), gone)).rejects.toThrow(/gone/);
    expect(release.assets.filter(({ state }) => state === "uploaded")).toEqual([]);
  });

  it("ends when it is interrupted, with the reason", async () => {
    const release = server.github.addRelease(TAG);
    const reason = new Error("Ctrl-C");
    fault("upload-asset", { kind: "meanwhile", act: () => run.interrupt(reason) }, 1);
    await expect(store.send(stored(release.id), file())).rejects.toThrow("Ctrl-C");
  });
});

describe("a request to GitHub", () => {
  it("is made again where the answer was cut short, or another one may come; who waits is told", async () => {
    server.github.addRelease(TAG);
    fault("list-releases", { kind: "cut-answer" }, 1);
    fault("list-releases", status(503), 1);
    expect(await store.list()).toHaveLength(1);
    expect(run.warnings).toEqual([
      "GitHub's answer was cut short; trying again",
      "GitHub answers 503 (Server Error); trying again",
    ]);
  });

  it("names the repository and the address where that is not there", async () => {
    fault("list-releases", status(404), 1);
    await expect(store.list()).rejects.toThrow(`example/images does not exist on ${server.url}, or `);
    fault("list-releases", status(403), 1);
    await expect(store.list()).rejects.toThrow("the token may not do this in example/images (403");
  });

  it("says of an asset's digest only what is one", () => {
    const of = (digest: string | null) =>
      storedAsset({
        ...({ id: 1, name: "a", size: 1, state: "uploaded" } as never as object),
        digest,
      } as never).sha256;
    const hex = "0123456789abcdef".repeat(4);
    expect(of(`sha256:${hex}`)).toBe(hex);
    for (const digest of [null, "", hex, `sha256:${hex}0`, `xsha256:${hex}`, `sha256:${hex.toUpperCase()}`]) {
      expect(of(digest)).toBeUndefined();
    }
  });
});

describe("patience with GitHub", () => {
  const refused = new GitHubError("no", { status: 422 });
  const busy = () => new GitHubError("busy", { fix: "run it later", status: 503, transient: true });

  /** How often work is tried that fails so; it fails in the end, with its own error. */
  const tries = async (failure: () => Error, trying = client) => {
    let attempts = 0;
    const errors: Error[] = [];
    const work = trying.retry(async () => {
      attempts++;
      errors.push(failure());
      throw errors.at(-1);
    });
    expect(await work.catch((error: unknown) => error)).toBe(errors.at(-1));
    return attempts;
  };

  it("is for what may pass, as often as it was told", async () => {
    expect(await tries(() => new Error("of ours"))).toBe(1);
    expect(await tries(() => refused)).toBe(1);
    expect(run.warnings).toEqual([]);
    expect(await tries(busy)).toBe(FAST.attempts);
    expect(run.warnings).toEqual(Array(FAST.attempts - 1).fill("busy; trying again"));
  });

  it("does not last longer than GitHub may ask for", async () => {
    const asking = (waitS: number) => () => new GitHubError("limit", { status: 429, transient: true, waitS });
    expect(await tries(asking(FAST.limitS))).toBe(FAST.attempts);
    expect(await tries(asking(FAST.limitS + 1))).toBe(1);
  });

  it("is short with an address that has never answered", async () => {
    const lost = () => new GitHubError("no answer", { transient: true });
    expect(await tries(lost)).toBe(3);
    await store.list();
    expect(await tries(lost)).toBe(FAST.attempts);
  });

  it("is not repeated by whoever has made the request", async () => {
    server.faults.add({ on: "list-releases", failure: status(503), times: 99 });
    const before = server.requests.length;
    await expect(client.retry(() => store.list())).rejects.toThrow("GitHub answers 503");
    expect(server.requests.length - before).toBe(FAST.attempts);
  });

  it("ends when the work is interrupted", async () => {
    const slow = { ...FAST, firstMs: 3600_000, longestMs: 3600_000 };
    const options = { token: "good", repository: "a/b", apiUrl: server.url, patience: slow };
    const waiting = new GitHubClient(options, run).retry(() => Promise.reject(busy()));
    await expect.poll(() => run.warnings).toEqual(["busy; trying again"]);
    run.interrupt(new Error("Ctrl-C"));
    await expect(waiting).rejects.toThrow("Ctrl-C");
  });
});

describe("a proposal", () => {
  const proposal = {
    ...{ branch: "recorded/x", title: "Record", body: "Because." },
    files: { "a/b.json": "{}\n", "c.json": "[]\n" },
  };

  it("adds its files to those of the branch that it is for", async () => {
    server.github.branches.set("main", { "README.md": "hello", "c.json": "old" });
    server.github.branches.set("next", { "other.md": "x" });
    await propose(client, proposal);
    expect(server.github.branches.get("recorded/x")).toEqual({ "README.md": "hello", ...proposal.files });
    expect(server.github.pulls).toEqual([
      { number: 1, head: "recorded/x", base: "main", title: "Record", body: "Because." },
    ]);
    await propose(client, { ...proposal, branch: "recorded/y", base: "next" });
    expect(server.github.branches.get("recorded/y")).toEqual({ "other.md": "x", ...proposal.files });
    expect(server.github.pulls[1]).toMatchObject({ head: "recorded/y", base: "next" });
  });

  it("is refused with GitHub's reason where that is no matter of permissions", async () => {
    server.faults.add({ on: "create-pull", failure: status(422) });
    await expect(propose(client, proposal)).rejects.toThrow(/^GitHub refuses: 422/);
    server.github.tokens.set("good", { contents: "read", pull_requests: "write" });
    await expect(propose(client, { ...proposal, branch: "z" })).rejects.toThrow(/contents: write/);
  });

  it("says what is not allowed in GitHub's words", async () => {
    server.github.pullsAllowed = false;
    await expect(propose(client, proposal)).rejects.toThrow(
      /^the token may not open a pull request \(the token may not do this/,
    );
  });

  it("whose branch cannot be made is not opened", async () => {
    const gone = { ...proposal, base: "nowhere" };
    await expect(propose(client, gone)).rejects.toThrow(/404/);
    expect(server.github.pulls).toEqual([]);
  });
});
