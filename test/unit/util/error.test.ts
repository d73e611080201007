import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cannotRead, cannotWrite } from "../../../pipeline/util/directory.ts";
import { errorCode, isFileError, PipelineError, within } from "../../../pipeline/util/error.ts";
import { tempDirectory } from "../../support/run.ts";

describe("an error", () => {
  it("is one line of what is wrong and what to do, and keeps both apart", () => {
    const error = new PipelineError("no space left on\n/x", { code: "disk-full", fix: "make room" });
    expect(error.message).toBe("no space left on\\n/x: make room");
    expect(error).toMatchObject({
      ...{ code: "disk-full", problem: "no space left on\\n/x", fix: "make room", details: [] },
    });
  });

  it("has a code also where none was given, and no fix", () => {
    const error = new PipelineError("a: b");
    expect(error).toMatchObject({ message: "a: b", problem: "a: b", code: "invalid-input" });
    expect(error.fix).toBeUndefined();
  });

  it("that happened within something keeps its code, its fix and its details", () => {
    const cause = new PipelineError("full", { code: "disk-full", fix: "make room", details: ["- x"] });
    const error = within("codex-amd64-debian", cause);
    expect(error.message).toBe("codex-amd64-debian: full: make room");
    expect(error).toMatchObject({ code: "disk-full", fix: "make room", details: ["- x"], cause });
  });

  it("of ours has no code of the system's", () => {
    expect(errorCode(new PipelineError("x", { code: "disk-full" }))).toBeUndefined();
    expect(errorCode(Object.assign(new Error("x"), { code: "ENOENT" }))).toBe("ENOENT");
  });
});

describe("what the system refuses", () => {
  const refusal = () => {
    try {
      return readFileSync(join(tempDirectory(), "missing"));
    } catch (error) {
      return error;
    }
  };

  it("is told from other errors", () => {
    expect(isFileError(refusal())).toBe(true);
    const others = [
      new PipelineError("ENOENT: x"),
      Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" }),
      Object.assign(new Error("ERR_X: no"), { code: "ERR_X" }),
      new Error("ENOENT: no such file or directory, open 'x'"),
      "ENOENT: x",
    ];
    expect(others.filter((each) => isFileError(each))).toEqual([]);
  });

  it("says which directory, why, and what to do; other errors stay as they are", () => {
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    expect(cannotWrite("/x", full, "make room")).toMatchObject({
      message: "cannot write to /x (no space left on device): make room",
      code: "disk-full",
    });
    expect(cannotWrite("/x", refusal(), "move")).toMatchObject({ code: "not-writable", fix: "move" });
    expect(cannotRead("/x", refusal(), "move")).toMatchObject({
      message: "cannot read /x (no such file or directory): move",
      code: "not-readable",
    });
    const other = new TypeError("x");
    expect([cannotWrite("/x", other, ""), cannotRead("/x", other, "")]).toEqual([other, other]);
  });
});
