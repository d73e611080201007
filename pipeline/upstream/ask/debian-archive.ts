import { execFile } from "node:child_process";
import { errorCode, PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { Unknown } from "../unknown.ts";

/** A suite of Debian's archive, with its updates and security fixes, as it is today. */
export interface Archive {
  /** When it changed last: the newest date of its signed Release files. */
  readonly date: Date;
  /** The versions of the packages with a kernel's source, newest first. */
  readonly kernelSources: ReadonlyMap<string, readonly string[]>;
}

/**
 * Prints what is needed of the lists that apt has fetched and verified. `MMDEBSTRAP_APT_CONFIG` makes apt read those of the
 * new root.
 */
const HOOK = `export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; \
for list in "$1"/var/lib/apt/lists/*Release; do grep -m 1 '^Date: ' "$list"; done; \
apt-cache madison $(apt-cache pkgnames linux-source-)`;

/**
 * Reads a suite of Debian's archive as builds do: mmdebstrap knows its address and checks the signatures, and fetches the lists
 * alone. Nothing is installed.
 * @param mirror the address that replaces Debian's archive. @default Debian's archive
 * @param limitMs how long it may take
 * @throws Unknown when the archive cannot be reached, or not read in time
 * @throws PipelineError when mmdebstrap is missing
 */
export async function archiveOf(
  suite: string,
  mirror: string | undefined,
  limitMs: number,
  run: Run,
): Promise<Archive> {
  const source = mirror ?? `Debian's archive (${suite})`;
  // mmdebstrap makes a root file system, so it needs root. sudo clears the environment, so `env` sets it.
  const command = [
    ...(process.getuid?.() === 0 ? [] : ["sudo", "-n"]),
    // A user may not end what sudo has started, so that is done behind sudo. It ends the programs that mmdebstrap starts too.
    ...["timeout", "--kill-after=5", String(limitMs / 1000)],
    ...["env", "LC_ALL=C.UTF-8", "mmdebstrap", "--variant=custom", "--format=null"],
    ...[
      '--aptopt=Acquire::Retries "1"',
      `--customize-hook=${HOOK}`,
      suite,
      "/dev/null",
      ...(mirror ? [mirror] : []),
    ],
  ];
  const said = await output(command, source, limitMs, run);
  const dates = [...said.matchAll(/^Date: (.+)$/gm)].map(([, date]) => Date.parse(date!));
  const date = Math.max(...dates.filter((each) => !Number.isNaN(each)));
  if (!Number.isFinite(date)) throw new Unknown(source, "no Release file has a date");
  const kernelSources = new Map<string, string[]>();
  for (const [, name, version] of said.matchAll(/^\s*(linux-source-\S+) \|\s*(\S+) \|/gm)) {
    const versions = kernelSources.get(name!) ?? [];
    if (!versions.includes(version!)) versions.push(version!);
    kernelSources.set(name!, versions);
  }
  return { date: new Date(date), kernelSources };
}

/** What `timeout` exits with after SIGTERM. With SIGKILL it ends itself too, and sudo tells that by the second number. */
const TIMED_OUT: readonly unknown[] = [124, 128 + 9];

function output(
  [program = "", ...args]: readonly string[],
  source: string,
  limitMs: number,
  run: Run,
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { signal: run.signal, maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      // What a hook prints comes on stderr, and with --quiet not at all.
      if (error === null) return resolve(`${stdout}\n${stderr}`);
      if (run.signal.aborted) return reject(run.signal.reason);
      if (TIMED_OUT.includes(error.code) || error.signal === "SIGKILL") {
        return reject(new Unknown(source, `no whole answer within ${limitMs / 1000} s`, error));
      }
      const isMissing = errorCode(error) === "ENOENT" || error.code === 127;
      if (isMissing) {
        const fix = "install it with `sudo apt-get install mmdebstrap debian-archive-keyring`";
        return reject(new PipelineError("mmdebstrap is not on PATH", { code: "program-missing", fix }));
      }
      const lines = stderr.trim().split("\n");
      const said = lines.find((line) => line.startsWith("E: "))?.slice("E: ".length);
      reject(new Unknown(source, said ?? lines.at(-1)!, error));
    });
  });
}
