import { validRange } from "semver";
import { z } from "zod";
import { PackageType } from "../schema/facts.ts";
import { listOf, text } from "./props.ts";

/** Where a program says its version. */
interface EvidenceOfVersion {
  /** A regular expression with one group, whose first match in the file's bytes, read as latin1, is the version. */
  readonly match: string;
  /** The file, relative to `node_modules`. @default the first of the program's files */
  readonly from?: string | undefined;
}

/** A program or library that an npm package carries inside, and that no package.json names. The inventory names it. */
export interface Embedded {
  /** Its name in the inventory: `ripgrep`. */
  readonly name: string;
  /** The type of its package URL. @default generic */
  readonly type?: PackageType | undefined;
  /** Its files, relative to `node_modules`: `*` stands for any characters but `/`. */
  readonly files: readonly string[];
  /**
   * How its version is read.
   * @default its version is unknown
   */
  readonly version?: EvidenceOfVersion | undefined;
  /** Vendor and product in the National Vulnerability Database, such as `gnome:glib`. @default none */
  readonly cpe?: string | undefined;
  /** An SPDX expression, such as `Apache-2.0 OR MIT`. @default unknown */
  readonly license?: string | undefined;
}

/** Installs an npm package with `npm ci` from `dockerfiles/<preset>/package-lock.json`. Install scripts do not run. */
export interface NpmInstall {
  readonly method: "npm";
  readonly package: string;
  /** A shell pattern for the program to link, relative to `node_modules`; undefined for the package's `bin`. */
  readonly binary?: string | undefined;
  readonly embeds?: readonly Embedded[] | undefined;
  readonly hold?: Hold | undefined;
}

/** Keeps a package back: it is not brought to a version outside of a range. */
interface Hold {
  /** A range of versions, as npm writes them: `<0.74`. */
  readonly range: string;
  /** Why, for the people who ask what is behind. */
  readonly reason: string;
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

/** How the agent of a preset is installed: `npm()` or `uv()`. */
export type Install = NpmInstall | UvInstall;

export interface NpmOptions {
  /**
   * A native program that starts without Node.js, as a shell pattern relative to `node_modules` that matches exactly one
   * file (`npm ci` installs the packages of one platform only).
   * @default the package's `bin`
   */
  readonly binary?: string | undefined;
  /** What the package, or one that it needs, carries inside. @default nothing */
  readonly embeds?: readonly Embedded[] | undefined;
  /** The range in which its version must be, and why. @default any version */
  readonly hold?: Hold | undefined;
}

/**
 * An npm package by its name; its lockfile holds the version.
 * @example
 * ```ts
 * npm("@openai/codex", { hold: { range: "<1", reason: "1.0 needs a newer kernel" } });
 * ```
 */
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

/**
 * A Python project at a commit of its repository.
 * @example
 * ```ts
 * uv({
 *   repository: "https://github.com/NousResearch/hermes-agent",
 *   commit: "f97608f178d1ffeca59860195ab7da295f7c8e5f",
 *   extras: ["all"],
 *   directory: "/opt/hermes-agent",
 * });
 * ```
 */
export function uv(options: UvOptions): UvInstall {
  return { ...options, method: "uv", extras: options?.extras ?? [] };
}

const pattern = () => z.string().regex(/^[A-Za-z0-9@._*/+-]+$/, "is not a plain path pattern");
const EmbeddedProps = z.strictObject({
  name: text(),
  type: PackageType.optional(),
  files: listOf(pattern()).min(1, "names no file"),
  version: z
    .strictObject({
      match: text().refine(hasOneGroup, {
        error: ({ input }) => `"${input}" is not a regular expression with one group`,
      }),
      from: pattern().optional(),
    })
    .optional(),
  cpe: z
    .string()
    .regex(/^[a-z0-9._-]+:[a-z0-9._-]+$/, "is not a vendor and a product, such as gnome:glib")
    .optional(),
  license: text().optional(),
});

function hasOneGroup(source: string): boolean {
  try {
    return new RegExp(`${source}|`).exec("")?.length === 2;
  } catch {
    return false;
  }
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
  embeds: listOf(EmbeddedProps).optional(),
  hold: z
    .strictObject({
      range: z.string().refine((range) => validRange(range) !== null, "is not a range of versions like <1.2"),
      reason: text(),
    })
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
