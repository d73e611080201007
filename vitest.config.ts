import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Most of a test's time is a command's, which is a process of its own. With more workers, fake guests come too late.
    maxWorkers: "100%",
    globalSetup: "test/support/build.ts",
    projects: [
      {
        // Vite warns of each source map in GitHub's validator that has no source beside it.
        logLevel: "error",
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          // A command of the command line takes a second, and ten when the machine is busy.
          testTimeout: 60_000,
          // GitHub's validator is published as ESM that imports JSON and extensionless paths.
          server: { deps: { inline: [/@actions\//] } },
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          // Two cores: one image is built, or one machine booted, at a time.
          fileParallelism: false,
          testTimeout: 20 * 60_000,
          hookTimeout: 20 * 60_000,
        },
      },
    ],
  },
});
