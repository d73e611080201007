import { PipelineError } from "../schema/error.ts";

/** Installs an npm package by `npm ci` from `dockerfiles/<preset>/package-lock.json`; no install script runs. */
export interface NpmInstall {
  readonly method: "npm";
  readonly package: string;
  /** Below `node_modules`, a pattern for the program to link; undefined for the package's own `bin`. */
  readonly binary: string | undefined;
}

/** Installs a Python project with `uv sync --frozen`: the commit fixes the project's own hashed lock. */
export interface UvInstall {
  readonly method: "uv";
  /** The git repository's address. */
  readonly repository: string;
  /** The full commit id. */
  readonly commit: string;
  readonly extras: readonly string[];
}

export type Install = NpmInstall | UvInstall;

export interface NpmOptions {
  /**
   * The platform package's own program, as a shell pattern below `node_modules` that matches one file
   * (a lockfile installs the packages of one platform only). It starts without Node.
   * @default the package's `bin`
   */
  readonly binary?: string;
}

export function npm(name: string, options: NpmOptions = {}): NpmInstall {
  if (!/^(@[a-z0-9-._~]+\/)?[a-z0-9-._~]+$/.test(name)) {
    throw new PipelineError(
      `npm("${name}"): a package name without a version; the lockfile holds the version`,
    );
  }
  if (options.binary !== undefined && !/^[A-Za-z0-9@._*/-]+$/.test(options.binary)) {
    throw new PipelineError(`npm("${name}"): binary "${options.binary}" is not a plain path pattern`);
  }
  return { method: "npm", package: name, binary: options.binary };
}

export interface UvOptions {
  readonly repository: string;
  readonly commit: string;
  /** @default none */
  readonly extras?: readonly string[];
}

export function uv(options: UvOptions): UvInstall {
  if (!/^[0-9a-f]{40}$/.test(options.commit)) {
    throw new PipelineError(
      `uv("${options.repository}"): commit "${options.commit}" is not a full commit id`,
    );
  }
  return {
    method: "uv",
    repository: options.repository,
    commit: options.commit,
    extras: options.extras ?? [],
  };
}
