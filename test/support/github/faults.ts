import type { GitHub } from "./github.ts";

/** What the server can be asked; a fault names the one that it spoils. */
export type Operation =
  | "list-releases"
  | "create-release"
  | "get-release"
  | "update-release"
  | "delete-release"
  | "list-assets"
  | "get-asset"
  /** The bytes of an asset, which another origin has. */
  | "download-asset"
  | "delete-asset"
  | "upload-asset"
  | "git"
  | "list-attestations"
  | "list-pulls"
  | "create-pull"
  | "update-pull"
  | "list-issues"
  | "create-issue"
  | "update-issue"
  | "list-comments"
  | "create-comment"
  | "update-comment";

export type Failure =
  /** Answered with a status: before anything was done, or after all of it was. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly when: "before" | "after";
      readonly headers?: Record<string, string>;
      readonly message?: string;
      readonly lists?: number;
    }
  /** The connection breaks: before anything was done, in the middle of an upload or a download, or when all was done. */
  | { readonly kind: "reset"; readonly when: "before" | "during" | "after"; readonly lists?: number }
  /** Nobody answers any more: before or after it was done. */
  | { readonly kind: "silence"; readonly when: "before" | "after" }
  /** The answer comes in drops. */
  | { readonly kind: "drip" }
  /** The answer ends in the middle, and says that it is whole. */
  | { readonly kind: "cut-answer" }
  /** Of an upload, only the first half is kept; the answer may be lost as well. */
  | { readonly kind: "truncate"; readonly lost?: true }
  /** Of an upload, other bytes are kept. */
  | { readonly kind: "corrupt"; readonly lost?: true }
  /** What an upload, or a new release, makes is not listed the next few times (`lists` of the others, too). */
  | { readonly kind: "stale"; readonly lists: number }
  /** The digest of what an upload makes is not told: the next few times, or never. */
  | { readonly kind: "no-digest"; readonly answers: number }
  /** Nothing is made of an upload but an asset in state `starter`. */
  | { readonly kind: "starter" }
  /** An upload is kept under another name. */
  | { readonly kind: "rename" }
  /** A PATCH drops the tag of a draft. */
  | { readonly kind: "drop-tag" }
  /** Somebody else does something just before. */
  | { readonly kind: "meanwhile"; readonly act: (github: GitHub) => void };

export interface Fault {
  readonly on: Operation;
  readonly failure: Failure;
  /** Which request of this kind it begins with. @default 1: the next one */
  readonly from?: number;
  /** How many it spoils. @default 1 */
  readonly times?: number;
}

/** The faults that are still to happen. */
export class Faults {
  readonly #faults: { fault: Fault; skip: number; left: number }[] = [];

  add(fault: Fault): void {
    this.#faults.push({ fault, skip: (fault.from ?? 1) - 1, left: fault.times ?? 1 });
  }

  clear(): void {
    this.#faults.length = 0;
  }

  /** How many have not happened yet. */
  get pending(): number {
    return this.#faults.length;
  }

  /** What goes wrong with this request: at most one of the faults. */
  take(operation: Operation): Failure | undefined {
    for (const each of this.#faults) {
      if (each.fault.on !== operation) continue;
      if (each.skip > 0) {
        each.skip--;
        continue;
      }
      each.left--;
      if (each.left === 0) this.#faults.splice(this.#faults.indexOf(each), 1);
      return each.fault.failure;
    }
    return undefined;
  }
}
