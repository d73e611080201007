import { createHash } from "node:crypto";
import { readdirSync, readlinkSync, writeFileSync } from "node:fs";
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
const status = (code: number, when: "before" | "after" = "before"): Failure => ({
  ...{ kind: "status", status: code, when },
});
/** GitHub asks to wait a second, of its own time. */
const limited: Failure = { kind: "status", status: 429, when: "before", headers: { "retry-after": "1" } };
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

  it("of an earlier run is for the commit that is made now, and its tag is kept", async () => {
    const draft = server.github.addRelease(TAG, { commit: "older" });
    const releases = new GitHubReleases(client, "0123abc");
    const made = await releases.prepare(TAG);
    expect(draft).toMatchObject({ tag: TAG, draft: true, commit: "0123abc" });
    await releases.prepare(TAG);
    expect(count(/^PATCH/)).toBe(1);
    await releases.publish(made);
    expect(server.github.tags.get(TAG)).toBe("0123abc");
  });

  it("that somebody publishes while it is prepared stays published, as it is", async () => {
    const release = server.github.addRelease(TAG, { commit: "older" });
    const act = () => {
      release.draft = false;
    };
    server.faults.add({ on: "get-release", failure: { kind: "meanwhile", act } });
    await expect(new GitHubReleases(client, "0123abc").prepare(TAG)).rejects.toThrow("never changed");
    expect(release).toMatchObject({ draft: false, commit: "older" });
    expect(count(/^PATCH/)).toBe(0);
  });

  it("whose tag is on another commit is not prepared; on the same one it is", async () => {
    server.github.tags.set(TAG, "older");
    await expect(new GitHubReleases(client, "0123abc").prepare(TAG)).rejects.toThrow(
      "the tag images-v1 is on commit older of example/images, but 0123abc is built: choose a new tag",
    );
    expect(server.github.releases).toEqual([]);
    await new GitHubReleases(client, "older").prepare(TAG);
    expect(server.github.releases).toMatchObject([{ commit: "older" }]);
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
      await expect(store.open(id)).rejects.toThrow(`--release-id "${id}" is not the number of a release`);
      expect(server.requests).toEqual([]);
    },
  );

  it("that is not there is told so, and how its id is had; another failure stays what it is", async () => {
    await expect(store.open("7")).rejects.toThrow(
      /^there is no release 7 on example\/images on GitHub, or .*`npx smolvm-images release prepare` prints the id.*`contents: write`$/,
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
    expect(error.message).toMatch(
      /^example\/images on GitHub has 2 drafts for images-v1, but there must be only one/,
    );
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

  it("is tried to be created as often as one was told, and then the reason is said", async () => {
    fault("create-release", status(503));
    await expect(store.prepare(TAG)).rejects.toThrow(/^GitHub answers 503/);
    expect(count(/^POST/)).toBe(FAST.attempts);
  });

  it("is created once where the answer is lost, and the list shows it only when it is read the last time", async () => {
    // Others have drafts without a text, which cannot have our mark.
    const theirs = server.github.addRelease("v2", { body: null });
    fault("create-release", { kind: "reset", when: "after", lists: FAST.polls - 1 }, 1);
    const { id } = await store.prepare(TAG);
    expect(count(/^POST/)).toBe(1);
    expect(server.github.releases.map((release) => release.id)).toEqual([theirs.id, Number(id)]);
    // There is one, and so nothing to clear away.
    expect(count(/^DELETE/)).toBe(0);
  });

  it("is the draft, also where somebody publishes one of the same tag while it is created", async () => {
    const act = () => void server.github.addRelease(TAG, { draft: false });
    fault("create-release", { kind: "meanwhile", act }, 1);
    const { id, state } = await store.prepare(TAG);
    expect(state).toBe("draft");
    expect(server.github.release(Number(id))).toMatchObject({ draft: true });
    expect(server.github.releases).toHaveLength(2);
  });

  it("that somebody else has made without a text is not ours to clear away", async () => {
    const theirs = server.github.addRelease(TAG, { body: null });
    const ours = server.github.addRelease(TAG, { body: "<!-- prepared x -->" });
    expect((await store.prepare(TAG)).id).toBe(String(theirs.id));
    expect(server.github.releases).toEqual([theirs]);
    expect(ours.draft).toBe(true);
  });

  it("is published, and stays, although nothing is on it and we have made it", async () => {
    const draft = server.github.addRelease(TAG, { body: "<!-- prepared x -->" });
    expect(await store.publish(stored(draft.id))).toMatchObject({ id: String(draft.id), state: "published" });
    expect(server.github.releases.map(({ id }) => id)).toEqual([draft.id]);
    expect(count(/^PATCH/)).toBe(1);
  });

  it("whose tag is dropped whatever is done is tried to be published so often, and no more", async () => {
    const draft = server.github.addRelease(TAG);
    fault("update-release", { kind: "drop-tag" });
    await expect(store.publish(stored(draft.id))).rejects.toThrow(
      /^images-v1 does not become public under its tag on example\/images on GitHub: look at https:/,
    );
    expect(count(/^PATCH/)).toBe(FAST.attempts);
  });

  it("may be removed twice, each time with one request; whoever may not is told so", async () => {
    const { id } = server.github.addRelease(TAG);
    await store.remove(stored(id));
    expect([count(/^DELETE/), run.warnings]).toEqual([1, []]);
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
    expect(run.steps).toEqual(Array(2).fill("wait until GitHub lists all assets: 1 of 1 are missing"));
    late.state = "starter";
    server.requests.length = 0;
    expect(await store.assets(stored(release.id), ["a.zst", "b.zst"])).toHaveLength(1);
    expect(count(/^GET .*\/assets$/)).toBe(FAST.polls + 1);
    // It is on the list, and not whole: that is no better.
    server.requests.length = 0;
    await store.assets(stored(release.id), ["a.zst"]);
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

  const untold = () => {
    const { id } = server.github.addAsset(server.github.addRelease(TAG), "a.zst", "the bytes");
    return { id: String(id), name: "a.zst", size: 9, complete: true, sha256: undefined };
  };

  it("is downloaded again to be hashed where the connection breaks in the middle", async () => {
    const asset = untold();
    fault("download-asset", { kind: "reset", when: "during" }, 2);
    expect(await store.hash(asset)).toBe(file().sha256);
    expect(run.warnings).toEqual(
      Array(2).fill(expect.stringMatching(/^the download of a\.zst broke off \(.+\); trying again$/)),
    );
  });

  it("is not downloaded for ever: the last failure is said", async () => {
    const asset = untold();
    fault("download-asset", { kind: "reset", when: "during" });
    await expect(store.hash(asset)).rejects.toThrow(/^the download of a\.zst broke off \(.+\)/);
    expect(count(/^GET .*\/releases\/assets\/\d+$/)).toBe(FAST.attempts);
  });

  it("is asked for once to be hashed where GitHub refuses, and GitHub's reason is said", async () => {
    const asset = untold();
    fault("get-asset", status(422));
    await expect(store.hash(asset)).rejects.toThrow(/^GitHub refuses: 422/);
    expect(count(/^GET/)).toBe(1);
  });

  it("is downloaded no further when the work is interrupted", async () => {
    const asset = untold();
    fault("download-asset", { kind: "meanwhile", act: () => run.interrupt(new Error("Ctrl-C")) });
    await expect(store.hash(asset)).rejects.toThrow("Ctrl-C");
    expect(count(/^GET .*\/releases\/assets\/\d+$/)).toBe(1);
  });

  it("is never taken from a published release, and taken from a draft once", async () => {
    const release = server.github.addRelease(TAG);
    const { id } = server.github.addAsset(release, "a.zst", "bytes");
    const asset = { id: String(id), name: "a.zst", size: 5, complete: true, sha256: undefined };
    // Somebody has published it since it was looked up as a draft.
    release.draft = false;
    for (const removal of [store.discard(stored(release.id), asset), store.remove(stored(release.id))]) {
      await expect(removal).rejects.toThrow(
        "images-v1 is published on example/images on GitHub, and a published release is never changed",
      );
    }
    expect(count(/^DELETE/)).toBe(0);
    release.draft = true;
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

  it("is sent as bytes of no particular kind, whole", async () => {
    const release = server.github.addRelease(TAG);
    await store.send(stored(release.id), file());
    expect(release.assets).toEqual([
      expect.objectContaining({ name: "a.zst", contentType: "application/octet-stream" }),
    ]);
    expect(release.assets[0]!.bytes.toString()).toBe("the bytes");
  });

  it("was sent by us where it has arrived and the answer is lost, and is not sent again", async () => {
    const release = server.github.addRelease(TAG);
    fault("upload-asset", { kind: "reset", when: "after" }, 1);
    expect(await store.send(stored(release.id), file())).toBe("sent");
    expect(count(/^POST/)).toBe(1);
  });

  it("whose wrong bytes somebody has published meanwhile leaves them, and says what is there", async () => {
    const release = server.github.addRelease(TAG);
    fault("upload-asset", { kind: "corrupt", lost: true }, 1);
    const act = () => {
      release.draft = false;
    };
    server.faults.add({ on: "get-release", failure: { kind: "meanwhile", act }, from: 2 });
    await expect(store.send(stored(release.id), file())).rejects.toThrow(
      /^a\.zst is on example\/images on GitHub with other bytes/,
    );
    expect(release.assets).toHaveLength(1);
    expect(count(/^DELETE/)).toBe(0);
  });

  it("under a name that is taken, and that the list does not show, ends by saying so", async () => {
    const release = server.github.addRelease(TAG);
    server.github.addAsset(release, "a.zst", "theirs", { hidden: 99 });
    await expect(store.send(stored(release.id), file())).rejects.toThrow(
      /^a\.zst:? (the asset )?exists, but GitHub does not list it yet$/,
    );
    expect(count(/^POST/)).toBe(FAST.attempts);
    expect(release.assets.map(({ bytes }) => bytes.toString())).toEqual(["theirs"]);
  });

  it("that is refused does not keep the file open", async () => {
    const release = server.github.addRelease(TAG);
    const large = file("large.zst", "x".repeat(8 << 20));
    fault("upload-asset", status(422), 1);
    await expect(store.send(stored(release.id), large)).rejects.toThrow(/^large\.zst: GitHub refuses: 422/);
    const open = () => {
      const links = readdirSync("/proc/self/fd").map((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`);
        } catch {
          return "";
        }
      });
      return links.includes(large.path);
    };
    await expect.poll(open).toBe(false);
  });

  it("to a published release is refused, unless its very bytes are there", async () => {
    const release = server.github.addRelease(TAG, { draft: false });
    server.github.addAsset(release, "a.zst", "the bytes");
    expect(await store.send(stored(release.id), file())).toBe("there");
    await expect(store.send(stored(release.id), file("b.zst"))).rejects.toThrow("never changed");
    await expect(store.send(stored(release.id), file("a.zst", "others"))).rejects.toThrow(
      /^a\.zst is on example\/images on GitHub with other bytes .*: empty the draft with `npx smolvm-images release prepare --empty`/,
    );
    expect(count(/^POST/)).toBe(0);
    expect(count(/^DELETE/)).toBe(0);
  });

  it("of other bytes leaves what is there, also after a try that failed for a limit", async () => {
    const release = server.github.addRelease(TAG);
    fault("upload-asset", limited, 1);
    // Whoever puts it there does so while we wait for the limit.
    const act = () => void server.github.addAsset(release, "a.zst", "theirs");
    server.faults.add({ on: "list-assets", failure: { kind: "meanwhile", act }, from: 2 });
    server.github.addAsset(release, "other.zst", "x");
    await expect(store.send(stored(release.id), file())).rejects.toThrow("with other bytes");
    expect(release.assets.map(({ name, bytes }) => `${name} ${bytes}`)).toEqual([
      "other.zst x",
      "a.zst theirs",
    ]);
    expect(count(/^POST/)).toBe(1);
  });

  it.each([
    ["has arrived", { kind: "corrupt" }],
    ["may be of ours, as the answer was lost,", { kind: "corrupt", lost: true }],
  ] as const)(
    "whose name another complete asset has, which %s is not sent again, and nothing is removed",
    async (_, failure) => {
      const release = server.github.addRelease(TAG);
      fault("upload-asset", failure, 1);
      await expect(store.send(stored(release.id), file())).rejects.toThrow(
        /^a\.zst is on example\/images on GitHub with other bytes/,
      );
      expect(count(/^POST/)).toBe(1);
      expect(count(/^DELETE/)).toBe(0);
    },
  );

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

  it("is made as often as one was told, and no more", async () => {
    fault("list-releases", status(503));
    await expect(store.list()).rejects.toThrow(/^GitHub answers 503/);
    expect(count(/^GET/)).toBe(FAST.attempts);
  });

  it("says who asks; what Octokit warns of reaches whoever watches, and no more than that", () => {
    const { octokit } = client;
    expect(octokit.request.endpoint("GET /x").headers["user-agent"]).toMatch(/^smolvm-images\b/);
    octokit.log.warn("this is deprecated");
    expect(run.warnings).toEqual(["this is deprecated"]);
    for (const level of ["debug", "info", "error"] as const) octokit.log[level]("a request");
    expect(run.warnings).toHaveLength(1);
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
      { number: 1, head: "recorded/x", base: "main", title: "Record", body: "Because.", open: true },
    ]);
    await propose(client, { ...proposal, branch: "recorded/y", base: "next" });
    expect(server.github.branches.get("recorded/y")).toEqual({ "other.md": "x", ...proposal.files });
    expect(server.github.pulls[1]).toMatchObject({ head: "recorded/y", base: "next" });
  });

  it("is one commit on top of the branch that it is for", async () => {
    server.github.branches.set("main", { "README.md": "hello" });
    await propose(client, proposal);
    const { data: main } = await client.octokit.rest.git.getRef({ ...client.repo, ref: "heads/main" });
    expect(server.github.log).toMatchObject([{ message: "Record", parents: [main.object.sha] }]);
  });

  it("is none where the branch has these very files", async () => {
    server.github.branches.set("main", { "README.md": "hello", ...proposal.files });
    expect(await propose(client, proposal)).toBeUndefined();
    expect(server.github.log).toEqual([]);
    expect([...server.github.branches.keys()]).toEqual(["main"]);
    expect(server.github.pulls).toEqual([]);
  });

  it("that is made again replaces the files of the first one, in the same pull request", async () => {
    const first = await propose(client, proposal);
    expect(first).toBe("https://github.com/example/images/pull/1");
    const files = { "c.json": "[1]\n" };
    expect(await propose(client, { ...proposal, files })).toBe(first);
    // On top of main, not of the first proposal.
    expect(server.github.branches.get("recorded/x")).toEqual(files);
    expect(server.github.pulls).toHaveLength(1);
    expect(count(/^POST .*\/pulls$/)).toBe(1);
  });

  it("that is made again has the pull request's new title and text, and is not committed twice", async () => {
    const first = await propose(client, proposal);
    expect(await propose(client, { ...proposal, body: "Because.\n" })).toBe(first);
    expect([count(/^PATCH /), server.github.log.length]).toEqual([0, 1]);
    expect(await propose(client, { ...proposal, body: "Therefore." })).toBe(first);
    expect([count(/^PATCH .*\/pulls\/1$/), server.github.log.length]).toEqual([1, 1]);
    expect(server.github.pulls).toMatchObject([{ title: "Record", body: "Therefore." }]);
    await propose(client, { ...proposal, title: "Record it" });
    expect(server.github.log.map(({ message }) => message)).toEqual(["Record", "Record it"]);
    expect(server.github.pulls).toMatchObject([{ title: "Record it", body: "Because." }]);
  });

  it("with a mark replaces its own commit, and nobody else's", async () => {
    const marked = { ...proposal, mark: "Made-by: us" };
    await propose(client, marked);
    expect(server.github.log).toMatchObject([{ message: "Record\n\nMade-by: us" }]);
    const files = { "c.json": "[1]\n" };
    await propose(client, { ...marked, files });
    expect(server.github.branches.get("recorded/x")).toEqual(files);
    server.github.branches.set("recorded/x", { "theirs.md": "x" });
    await expect(propose(client, marked)).rejects.toMatchObject({ code: "not-ours" });
    expect(server.github.branches.get("recorded/x")).toEqual({ "theirs.md": "x" });
  });

  it("of which the first pull request is closed opens another one", async () => {
    await propose(client, proposal);
    server.github.pulls[0]!.open = false;
    const files = { "c.json": "[1]\n" };
    expect(await propose(client, { ...proposal, files })).toMatch(/\/pull\/2$/);
    expect(server.github.pulls.map(({ open }) => open)).toEqual([false, true]);
  });

  it("whose answer is lost is looked up, and not made twice", async () => {
    fault("create-pull", status(502, "after"), 1);
    expect(await propose(client, proposal)).toMatch(/\/pull\/1$/);
    expect(count(/^POST .*\/pulls$/)).toBe(1);
    expect(server.github.pulls).toHaveLength(1);
  });

  it("whose branch GitHub refuses for another reason than that it is there changes nothing", async () => {
    server.github.branches.set("recorded/x", { "theirs.md": "x" });
    // The eighth request of git's: repository, base, its commit, tree, branch, its commit, commit, and then the new branch.
    server.faults.add({ on: "git", failure: status(409), from: 8 });
    await expect(propose(client, proposal)).rejects.toThrow(/^GitHub refuses: 409/);
    expect(server.github.branches.get("recorded/x")).toEqual({ "theirs.md": "x" });
    expect(server.github.pulls).toEqual([]);
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
      /^the token may not open a pull request \(the token may not do this .*\): the job needs `permissions: \{ pull-requests: write \}`, and the repository's settings must let Actions create them$/,
    );
  });

  it("whose branch cannot be made is not opened", async () => {
    const gone = { ...proposal, base: "nowhere" };
    await expect(propose(client, gone)).rejects.toThrow(/404/);
    expect(server.github.pulls).toEqual([]);
  });
});

describe("the text of a draft", () => {
  const draft = () => server.github.releases[0]!;

  it("follows our mark; a later one replaces it, and what a person wrote above stays", async () => {
    const release = await store.prepare(TAG);
    const before = draft().body!;
    await store.describe(release, "one\n");
    expect(draft()).toMatchObject({ body: `${before}\n\none\n`, tag: TAG, draft: true });
    draft().body = `Mine.\n${draft().body}`;
    await store.describe(release, "two\n");
    expect(draft().body).toBe(`Mine.\n${before}\n\ntwo\n`);
    // It is found as the pipeline's own again.
    expect((await store.prepare(TAG)).id).toBe(release.id);
    expect(server.github.releases).toHaveLength(1);
  });

  it("brings back the tag that GitHub has dropped from the draft", async () => {
    const release = await store.prepare(TAG);
    draft().tag = "untagged-1";
    await store.describe(release, "one\n");
    expect(draft().tag).toBe(TAG);
  });

  it("is not sent again where it is the same", async () => {
    const release = await store.prepare(TAG);
    await store.describe(release, "one\n");
    const patches = count(/^PATCH/);
    await store.describe(release, "one\n");
    expect(count(/^PATCH/)).toBe(patches);
  });

  it.each([
    ["a person wrote alone", { body: "Mine." }],
    ["is empty", { body: null }],
    ["is public", { draft: false }],
  ])("stays where it %s", async (_, props) => {
    const release = await store.prepare(TAG);
    Object.assign(draft(), props);
    const { body } = draft();
    await store.describe(release, "one\n");
    expect(draft().body).toBe(body);
  });
});
