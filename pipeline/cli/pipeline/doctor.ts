import { Command } from "commander";
import { CHECKS, type Finding } from "../../runtime/doctor.ts";
import { githubToken } from "../shared/token.ts";
import { root } from "./tree.ts";

const MARKS = { ok: "ok  ", warn: "warn", fail: "FAIL" } as const;

export const doctorCommand = new Command("doctor").action(async () => {
  let failed = 0;
  for (const { title, check } of CHECKS) {
    const finding = await check({ root: root(), env: process.env, hasToken: githubToken() !== undefined });
    if (finding.level === "fail") failed++;
    process.stdout.write(text(title, finding));
  }
  process.stderr.write(failed === 0 ? "ready to build images\n" : `${failed} problems to fix\n`);
  process.exitCode = failed === 0 ? 0 : 1;
});

const text = (title: string, { level, found, fix }: Finding) =>
  `${MARKS[level]}  ${title}: ${found}\n${fix ? `      -> ${fix}\n` : ""}`;
