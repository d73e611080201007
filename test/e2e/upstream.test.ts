import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Flavor } from "../../pipeline/constructs/flavor.ts";
import { Kernel } from "../../pipeline/constructs/kernel.ts";
import { declareImagesOf } from "../../pipeline/edit/declared-images.ts";
import { declaredOf, resolvePins } from "../../pipeline/edit/pins.ts";
import { filesIn } from "../../pipeline/synth/project.ts";
import { FileServer } from "../support/file-server.ts";
import { REPOSITORY } from "../support/project.ts";
import { declared, pinNamed, upstream, written } from "../support/upstream/upstream.ts";

/** The real npm registry and Debian's real archive, as this machine reaches them. */
it("says what npm and Debian's archive have of what this project pins", async () => {
  const project = { root: REPOSITORY, declaration: "pipeline/images.ts" };
  const { release } = await declareImagesOf(project, filesIn(REPOSITORY));
  const names = ["codex", "node (glibc)", "npm (tools)", "apt snapshot", "linux-source-6.12"];
  const asked = upstream({ patience: { totalMs: 120_000 }, today: new Date() });
  const resolved = await resolvePins(declaredOf(project, release), asked, names);
  expect(resolved.map(({ pin }) => pin.name).sort()).toEqual(names.toSorted());
  for (const { pin, answer } of resolved) {
    expect(answer, `${pin.name}: ${"message" in answer ? answer.message : ""}`).toHaveProperty("version");
  }
});

/** An archive on loopback, which mmdebstrap takes without a signature. */
describe("Debian's archive", () => {
  /** mmdebstrap takes seconds, on a busy machine many. */
  const patience = { totalMs: 120_000 };
  const entry = (name: string, version: string) =>
    `Package: ${name}\nVersion: ${version}\nArchitecture: all\nFilename: x\nSize: 1\nSHA256: ${"0".repeat(64)}\n\n`;

  async function archive(date: string, packages: string): Promise<{ server: FileServer; aptMirror: string }> {
    const server = await FileServer.start();
    const path = "main/binary-amd64/Packages";
    const sha256 = createHash("sha256").update(packages).digest("hex");
    const release =
      `Suite: stable\nCodename: trixie\nDate: ${date}\nArchitectures: amd64\nComponents: main\n` +
      `SHA256:\n ${sha256} ${packages.length} ${path}\n`;
    server.files.set("/dists/trixie/Release", Buffer.from(release));
    server.files.set(`/dists/trixie/${path}`, Buffer.from(packages));
    return { server, aptMirror: `deb [trusted=yes] ${server.url} trixie main` };
  }
  function project(text = 'const SNAPSHOT = "20261120T000000Z";\nconst LINUX = "6.12.115-1";\n') {
    const debian = Flavor.debian({ version: "13", suite: "trixie", snapshot: "20261120T000000Z" });
    const made = declared({ flavor: debian }, { "images.ts": text });
    new Kernel(made.release, "kernel", {
      source: { package: "linux-source-6.12", version: "6.12.115-1" },
      ...{ buildOn: debian, boots: ["debian"] },
    });
    return made;
  }
  const PACKAGES =
    entry("linux-source-6.12", "6.12.115-1") +
    entry("linux-source-6.12", "6.12.9-1") +
    entry("linux-source-6.12", "6.12.117-1") +
    entry("linux-source-6.12", "6.12.116-1") +
    entry("linux-source-7.0", "7.0.1-1");

  it.each([
    ["Sat, 21 Nov 2026 02:11:10 UTC", "20261122T000000Z", 2],
    // It changed today: nobody has that day yet.
    ["Sun, 22 Nov 2026 02:11:10 UTC", "20261122T000000Z", 2],
    ["Fri, 20 Nov 2026 02:11:10 UTC", "20261121T000000Z", 1],
    ["Thu, 19 Nov 2026 02:11:10 UTC", "20261120T000000Z", undefined],
  ])("that changed on %s is taken as of %s", async (date, instant, days) => {
    const { aptMirror } = await archive(date, PACKAGES);
    const made = project();
    const answer = await pinNamed(made, "apt snapshot").newest(upstream({ aptMirror, patience }));
    expect([answer.version, answer.behind?.days]).toEqual([instant, days]);
    if (days !== undefined) {
      expect((await written(made, answer))["images.ts"]).toContain(`const SNAPSHOT = "${instant}";`);
    }
  });

  it("has the newest version of the kernel's source, by Debian's order of versions", async () => {
    const { aptMirror, server } = await archive("Sat, 21 Nov 2026 02:11:10 UTC", PACKAGES);
    const made = project();
    const asked = upstream({ aptMirror, patience });
    const answer = await pinNamed(made, "linux-source-6.12").newest(asked);
    expect(answer).toMatchObject({ version: "6.12.117-1", behind: { versions: 2 } });
    expect((await written(made, answer))["images.ts"]).toContain('const LINUX = "6.12.117-1";');
    // Both pins need it, and it is asked once.
    const { length } = server.requests;
    await pinNamed(made, "apt snapshot").newest(asked);
    expect(server.requests).toHaveLength(length);
  });

  it("is unknown without that package, and where it cannot be reached", async () => {
    const { aptMirror } = await archive(
      "Sat, 21 Nov 2026 02:11:10 UTC",
      entry("linux-source-7.0", "7.0.1-1"),
    );
    await expect(
      pinNamed(project(), "linux-source-6.12").newest(upstream({ aptMirror, patience })),
    ).rejects.toThrow("Debian's archive (trixie): it has no package linux-source-6.12");
    const nowhere = upstream({ aptMirror: "http://127.0.0.1:9/debian", patience });
    await expect(pinNamed(project(), "apt snapshot").newest(nowhere)).rejects.toMatchObject({
      code: "upstream-unknown",
      message: expect.stringMatching(
        /^http:\/\/127\.0\.0\.1:9\/debian: Failed to fetch .*Connection refused/,
      ),
    });
  });
});
