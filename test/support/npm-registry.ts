import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { vi } from "vitest";
import { FileServer } from "./file-server.ts";
import { tempDirectory } from "./run.ts";

/** What a version's package.json says, beside name and version. */
export type Published = Readonly<Record<string, unknown>>;

/** An npm registry on loopback that has the packages it is told of; nobody fetches their tarballs. */
export class NpmRegistry {
  readonly #server: FileServer;

  private constructor(server: FileServer) {
    this.#server = server;
  }

  static async start(): Promise<NpmRegistry> {
    return new NpmRegistry(await FileServer.start());
  }

  get url(): string {
    return `${this.#server.url}/`;
  }

  get requests(): readonly string[] {
    return this.#server.requests;
  }

  /** The next request gets no answer. */
  hang(): void {
    this.#server.troubles.push({ kind: "silence" });
  }

  /**
   * Publishes versions of a package; the last is the newest, unless `latest` says another.
   * @param time when each version was published. @default nobody says it
   */
  publish(
    name: string,
    versions: Readonly<Record<string, Published>>,
    latest?: string,
    time?: Readonly<Record<string, string>>,
  ): void {
    const all = Object.entries(versions).map(([version, manifest]) => [
      version,
      {
        ...{ name, version, ...manifest },
        dist: {
          tarball: `${this.url}${name}/-/${version}.tgz`,
          integrity: `sha512-${Buffer.from(`${name} ${version}`.padEnd(64)).toString("base64")}`,
        },
      },
    ]);
    const newest = latest ?? Object.keys(versions).at(-1)!;
    const packument = { name, "dist-tags": { latest: newest }, versions: Object.fromEntries(all), time };
    this.#server.files.set(`/${name.replace("/", "%2f")}`, Buffer.from(JSON.stringify(packument)));
  }
}

/** npm asks this registry, until `vi.unstubAllEnvs()`; nothing of the user's own configuration counts. */
export function useRegistry({ url }: NpmRegistry): void {
  const userconfig = join(tempDirectory(), ".npmrc");
  writeFileSync(userconfig, `registry=${url}\nfetch-retries=0\n`);
  for (const name of Object.keys(process.env).filter((each) => /^npm_config_/i.test(each))) {
    vi.stubEnv(name, undefined);
  }
  vi.stubEnv("npm_config_userconfig", userconfig);
}
