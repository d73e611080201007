import { z } from "zod";
import { listOf, text } from "./props.ts";

/** Installs an npm package with `npm ci` from `dockerfiles/<preset>/package-lock.json`. Install scripts do not run. */
export interface NpmInstall {
  readonly method: "npm";
  readonly package: string;
  /** A shell pattern for the program to link, relative to `node_modules`; undefined for the package's `bin`. */
  readonly binary?: string | undefined;
}

/** Installs a Python project with `uv sync --frozen`. The commit fixes the project's `uv.lock`, which has hashes. */
export interface UvInstall {
  readonly method: "uv";
  /** The git repository's address. */
  readonly repository: string;
  /** The full commit id. */
  readonly commit: string;
  readonly extras: readonly string[];
  /** The directory in the image that it is installed in; undefined for `/opt/<preset>`. */
  readonly directory?: string | undefined;
}

export type Install = NpmInstall | UvInstall;

export interface NpmOptions {
  /**
   * A native program that starts without Node.js, as a shell pattern relative to `node_modules` that matches exactly one
   * file (`npm ci` installs the packages of one platform only).
   * @default the package's `bin`
   */
  readonly binary?: string | undefined;
}

/** An npm package by its name; its lockfile holds the version. */
export function npm(name: string, options: NpmOptions = {}): NpmInstall {
  return { ...options, method: "npm", package: name };
}

export interface UvOptions {
  readonly repository: string;
  readonly commit: string;
  /** @default none */
  readonly extras?: readonly string[] | undefined;
  /** The directory in the image that it is installed in, below `/opt`. @default `/opt/<preset>` */
  readonly directory?: string | undefined;
}

/** A Python project at a commit of its repository. */
export function uv(options: UvOptions): UvInstall {
  return { ...options, method: "uv", extras: options?.extras ?? [] };
}

const NpmProps = z.strictObject({
  method: z.literal("npm"),
  package: z
    .string()
    .regex(
      /^(@[a-z0-9-._~]+\/)?[a-z0-9-._~]+$/,
      "is not a package name without a version (the lockfile has the version)",
    ),
  binary: z
    .string()
    .regex(/^[A-Za-z0-9@._*/-]+$/, "is not a plain path pattern")
    .optional(),
});
const UvProps = z.strictObject({
  method: z.literal("uv"),
  repository: text(),
  commit: z.string().regex(/^[0-9a-f]{40}$/, "is not a full commit id"),
  extras: listOf(text()),
  directory: z
    .string()
    .regex(/^\/opt\/[A-Za-z0-9_-]+$/, "is not a directory like /opt/agent")
    .optional(),
});

/** The schema of what `npm()` and `uv()` return. */
export const InstallProps: z.ZodType<Install> = z.discriminatedUnion("method", [NpmProps, UvProps], {
  error: "is not what npm() or uv() returns",
});
