import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "./project.ts";

/** What people follow: README first, because it sets a machine up. */
export const DOCUMENTS: readonly string[] = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(REPOSITORY, "docs"))
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map((name) => `docs/${name}`),
];

/** A line to type, as a document has it in a block of shell commands. */
export interface DocumentedCommand {
  readonly heading: string;
  readonly line: string;
}

export interface Block {
  readonly heading: string;
  /** What stands behind its opening fence. */
  readonly language: string;
  readonly lines: readonly string[];
}

export const textOf = (document: string) => readFileSync(join(REPOSITORY, document), "utf8");

/** The fenced blocks of a Markdown text, each with the heading that it is below. */
export function blocks(text: string): Block[] {
  const found: Block[] = [];
  let heading = "";
  let open: { language: string; lines: string[] } | undefined;
  for (const line of text.split("\n")) {
    const [, fence] = /^\s*```(.*)$/.exec(line) ?? [];
    if (fence !== undefined && open === undefined) open = { language: fence, lines: [] };
    else if (fence !== undefined && open !== undefined) {
      found.push({ heading, ...open });
      open = undefined;
    } else if (open !== undefined) open.lines.push(line.trim());
    else if (line.startsWith("#")) heading = line.replace(/^#+ /, "");
  }
  return found;
}

/** The commands of a Markdown text in its order, without the comments behind them. */
export function commands(text: string): DocumentedCommand[] {
  return blocks(text)
    .filter(({ language }) => language === "sh")
    .flatMap(({ heading, lines }) => lines.map((line) => ({ heading, line: line.replace(/\s+# .*$/, "") })))
    .filter(({ line }) => line !== "");
}

/** A command with what it prints, as a block `console` has it: `$ command`, then its output. */
export interface Transcript {
  readonly heading: string;
  readonly line: string;
  readonly output: readonly string[];
}

/** The transcripts of a Markdown text. */
export function transcripts(text: string): Transcript[] {
  return blocks(text)
    .filter(({ language }) => language === "console")
    .flatMap(({ heading, lines }) => {
      const starts = lines.flatMap((line, at) => (line.startsWith("$ ") ? [at] : []));
      return starts.map((at, index) => ({
        heading,
        line: lines[at]!.slice(2),
        output: lines.slice(at + 1, starts[index + 1]),
      }));
    });
}

/** A text with every number as `0`: versions and times differ. */
export const withoutNumbers = (text: string): string => text.replaceAll(/\d+(\.\d+)*/g, "0");

/** Sections that test/e2e/documents.test.ts does not follow, because another test does: in a directory of its own. */
export const ELSEWHERE: Readonly<Record<string, string>> = {
  "In your own repository": "test/e2e/package.test.ts",
};

/** The commands that test/e2e/documents.test.ts does not run, and why. */
export const NOT_RUN: Readonly<Record<string, string>> = {
  "npm run check": "it runs the test that would run it",
  "firecracker --no-api --config-file vm.json":
    "it needs KVM and a tap device; test/unit/vm/firecracker has its interface",
  "gh attestation verify codex-amd64-ubuntu-rootfs.ext4.zst --repo CelestoAI/SmolVM --source-ref refs/heads/main --signer-workflow CelestoAI/SmolVM/.github/workflows/build-published-images.yml":
    "it asks GitHub for a signature, which only a published release has",
  "SMOLVM_IMAGES_RELEASE_TAG=TAG npx smolvm pull codex --verify-provenance":
    "it reads a published release; test/commands/client/release-manifest.test.ts and test/unit/client/provenance.test.ts read one on loopback",
  "npm run cell -- initramfs-zos-debian-amd64":
    "it fetches zinit from GitHub; test/e2e/initramfs.test.ts builds and boots appliances with a stand-in",
  "KERNEL_VERSION=edge INCLUDE_MODULES=standard npm run cell -- initramfs-zos-debian-amd64":
    "it fetches zinit from GitHub; test/unit/plan/initramfs.test.ts holds what the variables change",
  "sha256sum -c SHA256SUMS --ignore-missing":
    "it reads the files of a published release; test/unit/release/verbs.test.ts reads those of a directory",
  "packer validate out/packer/alpine-box/alpine-box.pkr.json":
    "it asks Alpine's mirror; test/commands/packer.test.ts validates the template with a mirror on loopback",
  "packer build -only='alpine-box.qemu.*' out/packer/alpine-box/alpine-box.pkr.json":
    "it downloads Alpine; test/e2e/packer-build.test.ts builds from a medium on loopback",
  "packer build -only='alpine-box.virtualbox-iso.*' out/packer/alpine-box/alpine-box.pkr.json":
    "it downloads Alpine, and VirtualBox needs a machine that it can be installed on",
  "vagrant box add --name alpine-box out/images/alpine-box/alpine-box-libvirt.box":
    "it adds what the builds before it have made",
};
