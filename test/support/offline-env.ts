import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { GitHubServer } from "./github/server.ts";
import type { NpmRegistry } from "./npm-registry.ts";
import { tempDirectory } from "./run.ts";

/** Nobody listens there. */
export const NOWHERE = "http://127.0.0.1:9";

/** The environment of a command that reaches this registry and this GitHub, and nothing else. It has no token. */
export function offlineEnv(server: GitHubServer, registry: NpmRegistry): NodeJS.ProcessEnv {
  const userconfig = join(tempDirectory(), ".npmrc");
  writeFileSync(userconfig, `registry=${registry.url}\nfetch-retries=0\n`);
  return {
    ...Object.fromEntries(
      Object.keys(process.env).flatMap((name) => (/^npm_config_/i.test(name) ? [[name, undefined]] : [])),
    ),
    ...{ npm_config_userconfig: userconfig, SMOLVM_APT_MIRROR: `${NOWHERE}/debian` },
    // What is asked over TLS gets no answer.
    ...{
      HTTPS_PROXY: NOWHERE,
      https_proxy: NOWHERE,
      HTTP_PROXY: "",
      http_proxy: "",
      NO_PROXY: "127.0.0.1",
      no_proxy: "127.0.0.1",
      GITHUB_STEP_SUMMARY: "",
    },
    ...{
      GITHUB_API_URL: server.url,
      GITHUB_REPOSITORY: "",
      GITHUB_TOKEN: "",
      GITHUB_REF: "",
      GITHUB_SHA: "",
    },
  };
}
