import { defineConfig } from "vitest/config";

/** The tests of a group of test/mutation/groups.ts, for Stryker: no other test, and none that needs Docker. */
export default defineConfig({
  test: {
    include: (process.env.MUTATION_TESTS ?? "").split(",").map((name) => `test/unit/${name}.test.ts`),
    // Where a mutant waits for what never comes, the test fails: quicker than to start a process anew.
    testTimeout: 15_000,
  },
});
