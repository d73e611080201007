import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { Kernel } from "../../../pipeline/constructs/kernel.ts";
import { tempDirectory } from "../../support/run.ts";
import { declared, pinNamed, upstream, written } from "../../support/upstream/upstream.ts";

/** Puts a program in the place of mmdebstrap. @param script what it does, for /bin/sh */
function mmdebstrap(script: string): void {
  const bin = tempDirectory();
  writeFileSync(join(bin, "mmdebstrap"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  vi.stubEnv("PATH", `${bin}:${process.env.PATH}`);
  // Root needs no sudo, which would look for it elsewhere.
  const getuid = vi.spyOn(process, "getuid").mockReturnValue(0);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    getuid.mockRestore();
  });
}

const lists = (...versions: readonly string[]) =>
  [
    "cat <<'END'",
    "Date: Sat, 21 Nov 2026 02:11:10 UTC",
    ...versions.map(
      (version) => ` linux-source-6.12 | ${version} | http://mirror trixie/main amd64 Packages`,
    ),
    "END",
  ].join("\n");

function project(pinned: string) {
  const flavor = Flavor.debian({ version: "13", suite: "trixie", snapshot: "20261120T000000Z" });
  const made = declared({ flavor }, { "images.ts": `const LINUX = "${pinned}";\n` });
  const source = { package: "linux-source-6.12", version: pinned };
  new Kernel(made.release, "kernel", { source, buildOn: flavor, boots: ["debian"] });
  return made;
}

it("the kernel's source is brought to the newest one of the archive", async () => {
  mmdebstrap(lists("6.12.117-1", "6.12.115-1"));
  const own = project("6.12.99-1");
  const newest = await pinNamed(own, "linux-source-6.12").newest(upstream());
  expect(newest).toMatchObject({ version: "6.12.117-1", behind: {} });
  expect(await written(own, newest)).toEqual({ "images.ts": 'const LINUX = "6.12.117-1";\n' });
});

it.each(["6.12.117-2", "6.12.200-1", "1:6.12.1-1"])(
  "an archive that is older than %s has no answer",
  async (pinned) => {
    mmdebstrap(lists("6.12.117-1", "6.12.115-1"));
    await expect(pinNamed(project(pinned), "linux-source-6.12").newest(upstream())).rejects.toThrow(
      "Debian's archive (trixie): it has linux-source-6.12 6.12.117-1, which is older",
    );
  },
);

it("an archive that gives no answer in time is unknown", async () => {
  mmdebstrap("sleep 60");
  const asked = upstream({ patience: { totalMs: 200 } });
  await expect(pinNamed(project("6.12.1-1"), "linux-source-6.12").newest(asked)).rejects.toThrow(
    "Debian's archive (trixie): no whole answer within 0.2 s",
  );
});

it("an archive without its reader says how to install it", async () => {
  mmdebstrap("exit 127");
  await expect(pinNamed(project("6.12.1-1"), "linux-source-6.12").newest(upstream())).rejects.toMatchObject({
    ...{ name: "PipelineError", code: "program-missing", problem: "mmdebstrap is not on PATH" },
  });
});
