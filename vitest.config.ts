import { defineConfig } from "vitest/config";

/** Tests that need no Docker. Their files share the modules of one process, which saves a third of the time. */
const quick = {
  isolate: false,
  // A command of the command line takes a second, and ten when the machine is busy.
  testTimeout: 60_000,
  // GitHub's validator is published as ESM that imports JSON and extensionless paths.
  server: { deps: { inline: [/@actions\//] } },
};

export default defineConfig({
  test: {
    // Most of a test's time is a command's, which is a process of its own. With more workers, fake guests come too late.
    maxWorkers: "100%",
    projects: [
      {
        // Vite warns of each source map in GitHub's validator that has no source beside it.
        logLevel: "error",
        test: { ...quick, name: "unit", include: ["test/unit/**/*.test.ts"] },
      },
      {
        logLevel: "error",
        test: {
          ...quick,
          name: "commands",
          include: ["test/commands/**/*.test.ts"],
          globalSetup: "test/support/build.ts",
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: "test/support/build.ts",
          // Two cores: one image is built, or one machine booted, at a time.
          fileParallelism: false,
          testTimeout: 20 * 60_000,
          hookTimeout: 20 * 60_000,
        },
      },
      {
        test: {
          name: "arm64",
          include: ["test/arm64/**/*.test.ts"],
          globalSetup: "test/support/build.ts",
          // Elsewhere than on arm64, all of it is emulated.
          testTimeout: 40 * 60_000,
          hookTimeout: 40 * 60_000,
        },
      },
    ],
  },
});
