import { proxiedFetch } from "../util/http.ts";
import type { Run } from "../util/progress.ts";
import type { Backoff } from "../util/retry.ts";
import { type Archive, archiveOf } from "./ask/debian-archive.ts";
import type { Endoflife } from "./ask/endoflife.ts";

/** The servers that are asked, unless a pin itself has an address. Tests give their own. */
export interface Addresses {
  /** The registry of images without a host in their name. */
  readonly dockerHub: string;
  /** Alpine's mirror: the part before `/v3.x/main`. */
  readonly alpine: string;
  /** GitHub's REST API. */
  readonly githubApi: string;
  readonly endoflife: string;
}

const ADDRESSES: Addresses = {
  dockerHub: "https://registry-1.docker.io",
  alpine: "https://dl-cdn.alpinelinux.org/alpine",
  githubApi: "https://api.github.com",
  endoflife: "https://endoflife.date",
};

/** Timeouts and retries of one question. */
export interface Patience extends Backoff {
  /** How long a connection may receive nothing, ms. */
  readonly silenceMs: number;
  /** How long one question may take with all its attempts, ms. */
  readonly totalMs: number;
}

/** A person waits for the answers, and a pin without an answer is only `unknown`, so there are few attempts. */
const PATIENCE: Patience = {
  attempts: 3,
  firstMs: 500,
  longestMs: 4000,
  limitS: 20,
  silenceMs: 15_000,
  totalMs: 60_000,
};

export interface UpstreamOptions {
  /** @default ADDRESSES */
  readonly addresses?: Partial<Addresses>;
  /** @default PATIENCE */
  readonly patience?: Partial<Patience>;
  /** The token for GitHub's API. @default anonymous requests */
  readonly githubToken?: string | undefined;
  /** The address that replaces Debian's archive. @default Debian's archive, as mmdebstrap knows it */
  readonly aptMirror?: string | undefined;
  /** The keyring that signs Ubuntu's lists of checksums. @default where Debian and Ubuntu install it */
  readonly ubuntuKeyring?: string;
  /** @default now */
  readonly today?: Date;
}

/** How the sources of pins are asked. What several pins need is asked once. */
export class Upstream {
  readonly run: Run;
  readonly addresses: Addresses;
  readonly patience: Patience;
  readonly githubToken: string | undefined;
  readonly aptMirror: string | undefined;
  readonly ubuntuKeyring: string;
  readonly today: Date;
  readonly fetch: ReturnType<typeof proxiedFetch>;
  /** What endoflife.date has answered, by product. */
  readonly endoflife = new Map<string, Promise<Endoflife>>();
  readonly #archives = new Map<string, Promise<Archive>>();

  /** @throws PipelineError when a proxy variable does not hold an http(s) address */
  constructor(options: UpstreamOptions, run: Run) {
    this.run = run;
    this.addresses = { ...ADDRESSES, ...options.addresses };
    this.patience = { ...PATIENCE, ...options.patience };
    this.githubToken = options.githubToken;
    this.aptMirror = options.aptMirror;
    this.ubuntuKeyring = options.ubuntuKeyring ?? "/usr/share/keyrings/ubuntu-archive-keyring.gpg";
    this.today = options.today ?? new Date();
    this.fetch = proxiedFetch(this.patience.silenceMs);
  }

  /** A suite of Debian's archive as it is today. @throws PipelineError when it cannot be read */
  archive(suite: string): Promise<Archive> {
    const known =
      this.#archives.get(suite) ?? archiveOf(suite, this.aptMirror, this.patience.totalMs, this.run);
    this.#archives.set(suite, known);
    return known;
  }
}
