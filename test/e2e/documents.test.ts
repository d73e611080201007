import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { EnvHttpProxyAgent, fetch } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  commands,
  DOCUMENTS,
  type DocumentedCommand,
  ELSEWHERE,
  NOT_RUN,
  textOf,
  transcripts,
  withoutNumbers,
} from "../support/documents.ts";
import { REPOSITORY } from "../support/project.ts";

/**
 * Follows every document to the letter, each in a checkout without changes, as a user whose npm is set up in another way
 * than this project's. Every command of a block is run, in order, except for NOT_RUN.
 */
const work = mkdtempSync(join(tmpdir(), "smolvm-documents-"));
const home = join(work, "home");
const checkout = join(work, "checkout");
/** After this, the tests of the checkout are run as well: a maintainer's change breaks none. */
const TESTED = "Add a preset";
const REMOVED = "Bring a preset to a newer version, or remove it";
/** These begin in a checkout without changes. */
const CLEAN = ["Bring pins to their newest versions", "Publish a release"];

let registry: Server;
let asked = 0;

beforeAll(async () => {
  registry = await forward(realRegistry());
  mkdirSync(home);
  writeFileSync(
    join(home, ".npmrc"),
    `registry=http://127.0.0.1:${(registry.address() as AddressInfo).port}/
prefix=${home}/.npm-global
omit[]=dev
package-lock=false
omit-lockfile-registry-resolved=false
save=false
save-exact=false
save-prefix=~
install-links=true
fund=true
audit=true
`,
  );
  newCheckout();
});
afterAll(() => {
  registry.close();
  rmSync(work, { recursive: true, force: true });
});

/** The files of this checkout as they are now, committed, as somebody who clones it has them. */
function newCheckout(): void {
  rmSync(checkout, { recursive: true, force: true });
  const listed = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
  for (const path of git(REPOSITORY, ...listed)
    .split("\0")
    .filter(Boolean)) {
    const target = join(checkout, path);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(REPOSITORY, path), target, { verbatimSymlinks: true });
  }
  git(checkout, "init", "-q");
  git(checkout, "add", "-A");
  git(checkout, "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-qm", "all");
  // A kernel is compiled once for its inputs, which takes minutes.
  const kernels = join(REPOSITORY, "out/cache/kernels");
  mkdirSync(kernels, { recursive: true });
  mkdirSync(join(checkout, "out/cache"), { recursive: true });
  symlinkSync(kernels, join(checkout, "out/cache/kernels"));
}

function git(directory: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("git", ["-C", directory, ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`git ${args[0]}: ${stderr}`);
  return stdout;
}

/** A user's environment: nothing of the npm and vitest that run this. */
function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|VITEST|NODE_ENV$|TEST$|GITHUB_|SMOLVM_)/i.test(name),
  );
  const who = { GIT_AUTHOR_NAME: "test", GIT_AUTHOR_EMAIL: "test@example.com" };
  return {
    ...{ ...Object.fromEntries(own), HOME: home, ...who },
    ...{ GIT_COMMITTER_NAME: "test", GIT_COMMITTER_EMAIL: "test@example.com" },
  };
}

/** Runs a line as typed into a shell in the checkout. */
function type(line: string): Promise<{ exitCode: number | null; output: string }> {
  const child = spawn("bash", ["-c", line], {
    cwd: checkout,
    env: environment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject).once("close", (exitCode) => resolve({ exitCode, output }));
  });
}

async function follow(lines: readonly string[]): Promise<string> {
  let all = "";
  for (const line of lines) {
    const { exitCode, output } = await type(line);
    expect(exitCode, `$ ${line}\n${output}`).toBe(0);
    all += output;
  }
  return all;
}

/** The registry that this machine uses, whichever it is. */
function realRegistry(): string {
  const { stdout } = spawnSync("npm", ["config", "get", "registry"], { encoding: "utf8" });
  return stdout.trim();
}

/** A registry of the user's own on loopback, which has what the real one has. */
function forward(to: string): Promise<Server> {
  const dispatcher = new EnvHttpProxyAgent();
  const server = createServer(async (request, response) => {
    asked++;
    try {
      const { accept = "*/*" } = request.headers;
      const answer = await fetch(new URL(`.${request.url}`, to), { headers: { accept }, dispatcher });
      const type = answer.headers.get("content-type") ?? "application/octet-stream";
      response.writeHead(answer.status, { "content-type": type });
      response.end(Buffer.from(await answer.arrayBuffer()));
    } catch {
      response.writeHead(502).end();
    }
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}

const sections = (document: string) => {
  const byHeading = new Map<string, string[]>();
  for (const { heading, line } of commands(textOf(document)) as DocumentedCommand[]) {
    if (!Object.hasOwn(NOT_RUN, line) && !Object.hasOwn(ELSEWHERE, heading))
      byHeading.set(heading, [...(byHeading.get(heading) ?? []), line]);
  }
  return [...byHeading];
};

// Images are built and every unit test is run, twice; on a busy machine that is slow.
const HOUR = 60 * 60_000;

describe.each(DOCUMENTS.filter((document) => sections(document).length > 0))(
  "%s, followed to the letter",
  { timeout: HOUR },
  (document) => {
    // What was installed and built stays, as it is not committed.
    const clean = () => {
      git(checkout, "reset", "-q", "--hard");
      git(checkout, "clean", "-qfd");
    };
    beforeAll(clean);

    it.each(sections(document))("%s", async (heading, lines) => {
      if (CLEAN.includes(heading)) clean();
      const output = await follow(lines);
      if (heading === "Start here") {
        expect(output).toMatch(
          /^Built, booted and checked: out\/release\/\S+\/codex-\w+-debian-rootfs\.ext4\.zst$/m,
        );
        expect(asked, "requests to the user's own registry").toBeGreaterThan(0);
      }
      if (heading === TESTED) await follow(["npm test", "npm run lint"]);
      // After `remove`, nothing is left of what was added; `bump pi@…` has changed pi alone.
      if (heading === REMOVED) expect(git(checkout, "status", "--porcelain")).not.toContain("gemini");
      for (const transcript of transcripts(textOf(document)).filter((each) => each.heading === heading)) {
        const printed = withoutNumbers(await follow([transcript.line])).split("\n");
        expect(printed).toEqual(expect.arrayContaining(transcript.output.map(withoutNumbers)));
      }
    });
  },
);
