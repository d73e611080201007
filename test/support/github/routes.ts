import { createHash } from "node:crypto";
import type { Failure, Operation } from "./faults.ts";
import {
  describeAsset,
  describeRelease,
  type GitHub,
  type HeldComment,
  type HeldIssue,
  type HeldRelease,
  type Permissions,
} from "./github.ts";

/** What is sent back: JSON, bytes, or nothing. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly bytes?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Request {
  readonly github: GitHub;
  readonly route: Route;
  readonly url: URL;
  readonly permissions: Permissions;
  readonly authorized: boolean;
  readonly body: Buffer;
  readonly accept: string;
  /** The header `content-length`. */
  readonly length: string | undefined;
  /** The header `content-type`. */
  readonly contentType: string | undefined;
  readonly failure: Failure | undefined;
  readonly api: string;
  readonly uploads: string;
  readonly objects: string;
}

export interface Route {
  readonly operation: Operation;
  readonly repository: string;
  readonly parameters: readonly string[];
  readonly handle: (request: Request) => Answer;
}

type Handler = (request: Request, ...parameters: string[]) => Answer;

const NOT_FOUND: Answer = { status: 404, body: { message: "Not Found" } };
const FORBIDDEN = (needs: string): Answer => ({
  status: 403,
  body: { message: "Resource not accessible by integration" },
  headers: { "x-accepted-github-permissions": needs },
});
const invalid = (code: string, field: string, message = "Validation Failed"): Answer => ({
  status: 422,
  body: { message, errors: [{ resource: "ReleaseAsset", code, field }] },
});

/** Method, path below the repository, what a fault calls it, what it does. */
const ROUTES: readonly (readonly [string, RegExp, Operation, Handler])[] = [
  ["GET", /^\/releases$/, "list-releases", listReleases],
  ["POST", /^\/releases$/, "create-release", writing(createRelease)],
  ["GET", /^\/releases\/(\d+)$/, "get-release", getRelease],
  ["PATCH", /^\/releases\/(\d+)$/, "update-release", writing(updateRelease)],
  ["DELETE", /^\/releases\/(\d+)$/, "delete-release", writing(deleteRelease)],
  ["GET", /^\/releases\/(\d+)\/assets$/, "list-assets", listAssets],
  ["GET", /^\/releases\/assets\/(\d+)$/, "get-asset", getAsset],
  ["DELETE", /^\/releases\/assets\/(\d+)$/, "delete-asset", writing(deleteAsset)],
  [
    "GET",
    /^$/,
    "git",
    ({ github }) => ({ status: 200, body: { full_name: github.repository, default_branch: "main" } }),
  ],
  ["GET", /^\/git\/ref\/heads\/(.+)$/, "git", getRef],
  ["GET", /^\/git\/ref\/tags(?:%2F|\/)(.+)$/, "git", getTag],
  ["GET", /^\/attestations\/(.+)$/, "list-attestations", listAttestations],
  ["GET", /^\/git\/commits\/(\w+)$/, "git", getCommit],
  ["GET", /^\/commits\/tags(?:%2F|\/)(.+)$/, "git", getTaggedCommit],
  ["POST", /^\/git\/trees$/, "git", writing(createTree)],
  ["POST", /^\/git\/commits$/, "git", writing(createCommit)],
  ["POST", /^\/git\/refs$/, "git", writing(createRef)],
  ["PATCH", /^\/git\/refs\/heads\/(.+)$/, "git", writing(updateRef)],
  ["GET", /^\/pulls$/, "list-pulls", listPulls],
  ["POST", /^\/pulls$/, "create-pull", createPull],
  ["PATCH", /^\/pulls\/(\d+)$/, "update-pull", updatePull],
  ["GET", /^\/issues$/, "list-issues", listIssues],
  ["POST", /^\/issues$/, "create-issue", createIssue],
  ["PATCH", /^\/issues\/(\d+)$/, "update-issue", updateIssue],
  ["GET", /^\/issues\/(\d+)\/comments$/, "list-comments", listComments],
  ["POST", /^\/issues\/(\d+)\/comments$/, "create-comment", createComment],
  ["PATCH", /^\/issues\/comments\/(\d+)$/, "update-comment", updateComment],
  ["GET", /^\/compare\/(.+)\.\.\.(.+)$/, "git", compareCommits],
  ["GET", /^\/contents\/(.+)$/, "git", getContent],
];
const UPLOADS: typeof ROUTES = [
  ["POST", /^\/releases\/(\d+)\/assets$/, "upload-asset", writing(uploadAsset)],
];

/** The route of a request, on the origin where the API has it. */
export function findRoute(
  origin: "api" | "uploads" | "objects",
  method: string,
  path: string,
): Route | undefined {
  const [, repository, below] = /^\/repos\/([^/]+\/[^/]+)(.*)$/.exec(path) ?? [];
  if (repository === undefined) return;
  for (const [verb, pattern, operation, handler] of origin === "uploads" ? UPLOADS : ROUTES) {
    const match = verb === method ? pattern.exec(below!) : null;
    if (!match) continue;
    const parameters = match.slice(1);
    return { operation, repository, parameters, handle: (request) => handler(request, ...parameters) };
  }
  return undefined;
}

function writing(handler: Handler): Handler {
  return (request, ...parameters) =>
    request.permissions.contents === "write" ? handler(request, ...parameters) : FORBIDDEN("contents=write");
}

/** One page of a list, with the addresses of its neighbours. */
function paged({ url, api }: Request, all: readonly unknown[]): Answer {
  const size = Math.min(100, Number(url.searchParams.get("per_page") ?? 30));
  const page = Number(url.searchParams.get("page") ?? 1);
  const address = (number: number) => {
    const query = new URLSearchParams(url.searchParams);
    query.set("page", String(number));
    return `<${api}${url.pathname}?${query}>`;
  };
  const last = Math.max(1, Math.ceil(all.length / size));
  const links = page < last ? [`${address(page + 1)}; rel="next"`, `${address(last)}; rel="last"`] : [];
  return {
    status: 200,
    body: all.slice((page - 1) * size, page * size),
    ...(links.length > 0 ? { headers: { link: links.join(", ") } } : {}),
  };
}

const described = (request: Request, release: HeldRelease) => describeRelease(release, request);

/** How many lists will lack what a request makes. */
const staleness = (failure: Failure | undefined): number =>
  failure && "lists" in failure ? (failure.lists ?? 0) : 0;

/** What is fresh is missing from a stale list, a few times. */
function listed<T extends { hidden: number }>(all: readonly T[]): T[] {
  return all.filter((each) => each.hidden-- <= 0);
}

function listReleases(request: Request): Answer {
  const { github, permissions } = request;
  const visible = listed(github.releases).filter(({ draft }) => !draft || permissions.contents === "write");
  return paged(
    request,
    visible.toReversed().map((release) => described(request, release)),
  );
}

function createRelease(request: Request): Answer {
  const { github, failure } = request;
  const { tag_name: tag, draft = false, body = "", target_commitish: commit = "main" } = json(request);
  if (!draft && github.releases.some((release) => release.tag === tag && !release.draft)) {
    return invalid("already_exists", "tag_name");
  }
  const release = github.addRelease(String(tag), {
    draft: Boolean(draft),
    body: String(body),
    commit: String(commit),
    hidden: staleness(failure),
  });
  return { status: 201, body: described(request, release) };
}

function getRelease(request: Request, id: string): Answer {
  const release = request.github.release(Number(id));
  if (!release || (release.draft && request.permissions.contents !== "write")) return NOT_FOUND;
  return { status: 200, body: described(request, release) };
}

function updateRelease(request: Request, id: string): Answer {
  const { github, failure } = request;
  const release = github.release(Number(id));
  if (!release) return NOT_FOUND;
  const patch = json(request);
  if (typeof patch.tag_name === "string") release.tag = patch.tag_name;
  if (failure?.kind === "drop-tag") release.tag = `untagged-${release.id}`;
  if (typeof patch.target_commitish === "string") release.commit = patch.target_commitish;
  if (typeof patch.body === "string") release.body = patch.body;
  if (typeof patch.draft === "boolean") release.draft = patch.draft;
  if (!release.draft && !github.tags.has(release.tag)) github.tags.set(release.tag, release.commit);
  if (typeof patch.make_latest === "string") release.makeLatest = patch.make_latest;
  return { status: 200, body: described(request, release) };
}

function deleteRelease({ github }: Request, id: string): Answer {
  const index = github.releases.findIndex((release) => release.id === Number(id));
  if (index < 0) return NOT_FOUND;
  github.releases.splice(index, 1);
  return { status: 204 };
}

function listAssets(request: Request, id: string): Answer {
  const { github, api } = request;
  const release = github.release(Number(id));
  if (!release || (release.draft && request.permissions.contents !== "write")) return NOT_FOUND;
  return paged(
    request,
    listed(release.assets).map((asset) => describeAsset(asset, api, github.repository)),
  );
}

function getAsset({ github, api, objects, accept, permissions }: Request, id: string): Answer {
  const held = github.asset(Number(id));
  if (!held || (held.release.draft && permissions.contents !== "write")) return NOT_FOUND;
  if (!accept.includes("octet-stream"))
    return { status: 200, body: describeAsset(held.asset, api, github.repository) };
  return { status: 302, headers: { location: `${objects}/${id}` } };
}

function deleteAsset({ github }: Request, id: string): Answer {
  const held = github.asset(Number(id));
  if (!held) return NOT_FOUND;
  github.removed.push(held.asset);
  held.release.assets = held.release.assets.filter(({ id: other }) => other !== Number(id));
  return { status: 204 };
}

function uploadAsset(request: Request, id: string): Answer {
  const { github, body, url, api, failure } = request;
  const release = github.release(Number(id));
  if (!release) return NOT_FOUND;
  if (request.length === undefined) return { status: 411, body: { message: "Length Required" } };
  if (!release.draft && github.immutable)
    return invalid("custom", "base", "Cannot upload assets to an immutable release.");
  const asked = url.searchParams.get("name") ?? "";
  const name =
    failure?.kind === "rename"
      ? `other-${asked}`
      : asked.replace(/[^A-Za-z0-9._-]+/g, ".").replace(/^\.+|\.+$/g, "");
  if (release.assets.some((asset) => asset.name === name)) return invalid("already_exists", "name");
  if (release.assets.length >= 1000) return invalid("custom", "base", "A release has at most 1000 assets");
  if (failure?.kind === "starter") {
    github.addAsset(release, name, "", { state: "starter" });
    return { status: 502, body: { message: "Bad Gateway" } };
  }
  const bytes =
    failure?.kind === "truncate"
      ? body.subarray(0, body.length / 2)
      : failure?.kind === "corrupt"
        ? Buffer.from(body.map((byte) => byte ^ 1))
        : body;
  const asset = github.addAsset(release, name, bytes, {
    contentType: request.contentType,
    hidden: staleness(failure),
    untold: failure?.kind === "no-digest" ? failure.answers : 0,
  });
  return { status: 201, body: describeAsset(asset, api, github.repository) };
}

// ── git, as far as a pull request needs it ───────────────────────────────────────────────────────
const sha = (value: unknown) => createHash("sha1").update(JSON.stringify(value)).digest("hex");

function remember<T>(kept: Map<string, T>, value: T): string {
  const id = sha(value);
  kept.set(id, value);
  return id;
}

function getRef({ github }: Request, branch: string): Answer {
  const files = github.branches.get(decodeURIComponent(branch));
  if (!files) return NOT_FOUND;
  const head = github.heads.get(decodeURIComponent(branch));
  if (head !== undefined) github.commits.set(head, files);
  const id = head ?? remember(github.commits, files);
  return { status: 200, body: { ref: `refs/heads/${branch}`, object: { type: "commit", sha: id } } };
}

function getTag({ github }: Request, tag: string): Answer {
  const sha = github.tags.get(decodeURIComponent(tag));
  if (!sha) return NOT_FOUND;
  return { status: 200, body: { ref: `refs/tags/${tag}`, object: { type: "commit", sha } } };
}

function listAttestations({ github, url, objects }: Request, digest: string): Answer {
  const wanted = url.searchParams.get("predicate_type");
  const attestations = github.attestations.flatMap((held, at) =>
    held.digest === digest && (held.predicate ?? "release") === wanted
      ? [
          {
            ...{ repository_id: 1, initiator: "github" },
            bundle: held.inline ? JSON.parse(held.bundle) : null,
            bundle_url: `${objects}/bundles/${at}?sig=secret`,
          },
        ]
      : [],
  );
  return { status: 200, body: { attestations } };
}

/** The first parent of the head is where it left the base. */
function compareCommits({ github }: Request, base: string, head: string): Answer {
  const after = github.commits.get(head);
  const [from = base] = github.log.findLast(({ sha: id }) => id === head)?.parents ?? [];
  const before = github.commits.get(from);
  if (!before || !after) return NOT_FOUND;
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (path) => before[path] !== after[path],
  );
  const files = changed.sort().map((filename) => ({ filename }));
  return { status: 200, body: { merge_base_commit: { sha: from }, files } };
}

/** The bytes of a file, as `application/vnd.github.raw` gives them. */
function getContent({ github, url, accept }: Request, path: string): Answer {
  const text = github.commits.get(url.searchParams.get("ref") ?? "")?.[decodeURIComponent(path)];
  if (text === undefined || !accept.includes("raw")) return NOT_FOUND;
  return {
    status: 200,
    bytes: Buffer.from(text),
    headers: { "content-type": "application/vnd.github.raw+json; charset=utf-8" },
  };
}

function getCommit({ github }: Request, id: string): Answer {
  const files = github.commits.get(id);
  if (!files) return NOT_FOUND;
  const { message = "", parents = [] } = github.log.findLast(({ sha }) => sha === id) ?? {};
  const body = {
    ...{ sha: id, message, parents: parents.map((sha) => ({ sha })) },
    tree: { sha: remember(github.trees, files) },
  };
  return { status: 200, body };
}

function getTaggedCommit({ github }: Request, tag: string): Answer {
  const commit = github.tags.get(decodeURIComponent(tag));
  if (commit) return { status: 200, body: { sha: commit } };
  return { status: 422, body: { message: `No commit found for SHA: tags/${tag}` } };
}

function createTree(request: Request): Answer {
  const { github } = request;
  const { base_tree: base, tree } = json(request) as {
    base_tree: string;
    tree: { path: string; content: string }[];
  };
  const files = {
    ...github.trees.get(base),
    ...Object.fromEntries(tree.map(({ path, content }) => [path, content])),
  };
  return { status: 201, body: { sha: remember(github.trees, files) } };
}

function createCommit(request: Request): Answer {
  const { tree, message, parents } = json(request) as { tree: string; message: string; parents: string[] };
  const files = request.github.trees.get(tree);
  if (!files) return NOT_FOUND;
  const id = remember(request.github.commits, files);
  request.github.log.push({ sha: id, message, parents });
  return { status: 201, body: { sha: id } };
}

function createRef(request: Request): Answer {
  const { ref, sha: id } = json(request) as { ref: string; sha: string };
  const branch = ref.replace("refs/heads/", "");
  if (request.github.branches.has(branch))
    return { status: 422, body: { message: "Reference already exists" } };
  request.github.branches.set(branch, request.github.commits.get(id)!);
  return { status: 201, body: { ref } };
}

function updateRef(request: Request, branch: string): Answer {
  const { github } = request;
  const { sha: id, force } = json(request) as { sha: string; force?: boolean };
  const name = decodeURIComponent(branch);
  const files = github.commits.get(id);
  if (!files || !github.branches.has(name)) {
    return { status: 422, body: { message: files ? "Reference does not exist" : "Object does not exist" } };
  }
  const now = sha(github.branches.get(name));
  const follows = id === now || github.log.some((each) => each.sha === id && each.parents.includes(now));
  if (!force && !follows) return { status: 422, body: { message: "Update is not a fast forward" } };
  github.branches.set(name, files);
  return { status: 200, body: {} };
}

function listPulls(request: Request): Answer {
  const [owner] = request.github.repository.split("/");
  const head = request.url.searchParams.get("head");
  const state = request.url.searchParams.get("state") ?? "open";
  return paged(
    request,
    request.github.pulls
      .filter((pull) => head === `${owner}:${pull.head}`)
      .filter(({ open }) => state === "all" || state === (open ? "open" : "closed"))
      .map((pull) => describePull(request, pull.number)),
  );
}

function createPull(request: Request): Answer {
  const { github, permissions } = request;
  if (permissions.pull_requests !== "write") return FORBIDDEN("pull_requests=write");
  if (!github.pullsAllowed) {
    return {
      status: 403,
      body: { message: "GitHub Actions is not permitted to create or approve pull requests." },
    };
  }
  const { head, base, title, body } = json(request) as Record<string, string>;
  if (github.pulls.some((pull) => pull.open && pull.head === head)) {
    return {
      status: 422,
      body: {
        message: "Validation Failed",
        errors: [{ code: "custom", message: "A pull request already exists" }],
      },
    };
  }
  const number = github.pulls.length + 1;
  github.pulls.push({ number, head: head!, base: base!, title: title!, body: body!, open: true });
  return { status: 201, body: describePull(request, number) };
}

function updatePull(request: Request, number: string): Answer {
  const { github, permissions } = request;
  if (permissions.pull_requests !== "write") return FORBIDDEN("pull_requests=write");
  const pull = github.pulls.find((each) => each.number === Number(number));
  if (!pull) return NOT_FOUND;
  const { title, body } = json(request);
  if (typeof title === "string") pull.title = title;
  if (typeof body === "string") pull.body = body;
  return { status: 200, body: describePull(request, pull.number) };
}

const describePull = ({ github }: Request, number: number) => {
  const pull = github.pulls.find((each) => each.number === number);
  return {
    ...{ number, title: pull?.title, body: pull?.body },
    html_url: `https://github.com/${github.repository}/pull/${number}`,
  };
};

// ── issues: https://docs.github.com/en/rest/issues/issues ─────────────────────────────────────────
function listIssues(request: Request): Answer {
  const { github, url } = request;
  const state = url.searchParams.get("state") ?? "open";
  const labels = url.searchParams.get("labels")?.split(",") ?? [];
  const issues = github.issues
    .filter(({ open }) => state === "all" || state === (open ? "open" : "closed"))
    .filter((issue) => labels.every((label) => issue.labels.includes(label)))
    .map((issue) => describeIssue(github, issue));
  return paged(request, issues.toReversed());
}

function createIssue(request: Request): Answer {
  const { github, permissions } = request;
  if (permissions.issues !== "write") return FORBIDDEN("issues=write");
  const { title, body, labels } = json(request) as { title: string; body: string; labels: string[] };
  const issue = { number: github.issues.length + 1001, title, body, labels, open: true };
  github.issues.push(issue);
  return { status: 201, body: describeIssue(github, issue) };
}

function updateIssue(request: Request, number: string): Answer {
  const { github, permissions } = request;
  if (permissions.issues !== "write") return FORBIDDEN("issues=write");
  const issue = github.issues.find((each) => each.number === Number(number));
  if (!issue) return NOT_FOUND;
  const { title, body, state } = json(request);
  if (typeof title === "string") issue.title = title;
  if (typeof body === "string") issue.body = body;
  if (state === "open" || state === "closed") issue.open = state === "open";
  return { status: 200, body: describeIssue(github, issue) };
}

const describeIssue = ({ repository }: GitHub, { number, title, body, labels, open }: HeldIssue) => ({
  ...{ number, title, body, state: open ? "open" : "closed", labels: labels.map((name) => ({ name })) },
  html_url: `https://github.com/${repository}/issues/${number}`,
});

// ── comments: https://docs.github.com/en/rest/issues/comments ──────────────────────────────────────
function listComments(request: Request, number: string): Answer {
  const { github } = request;
  const own = github.comments.filter((each) => each.number === Number(number));
  return paged(
    request,
    own.map((comment) => describeComment(github, comment)),
  );
}

function createComment(request: Request, number: string): Answer {
  const { github, permissions } = request;
  if (permissions.pull_requests !== "write") return FORBIDDEN("pull_requests=write");
  const comment = {
    ...{ id: github.nextId(), number: Number(number), user: "github-actions[bot]" },
    body: String(json(request).body),
  };
  github.comments.push(comment);
  return { status: 201, body: describeComment(github, comment) };
}

function updateComment(request: Request, id: string): Answer {
  const { github, permissions } = request;
  if (permissions.pull_requests !== "write") return FORBIDDEN("pull_requests=write");
  const comment = github.comments.find((each) => each.id === Number(id));
  if (!comment) return NOT_FOUND;
  comment.body = String(json(request).body);
  return { status: 200, body: describeComment(github, comment) };
}

const describeComment = ({ repository }: GitHub, { id, number, user: login, body }: HeldComment) => ({
  ...{ id, body, user: { login } },
  html_url: `https://github.com/${repository}/pull/${number}#issuecomment-${id}`,
});

function json({ body }: Request): Record<string, unknown> {
  return JSON.parse(body.toString("utf8") || "{}");
}
