import { defineConfig } from "vitest/config";

/** Workspaces name their TypeScript sources under this condition, so tests run without a build. */
const conditions = ["holdfast-source"];

/** These share one PostgreSQL server, which other tests need not start. */
const POSTGRES = ["packages/server/test/store/postgres.test.ts", "e2e/several-nodes.test.ts"];

const project = (name: string, include: string[], timeout_ms = 20_000) => ({
  extends: true as const,
  test: { name, include, exclude: POSTGRES, testTimeout: timeout_ms, hookTimeout: timeout_ms },
});

const postgres = {
  extends: true as const,
  test: {
    name: "postgres",
    include: POSTGRES,
    globalSetup: ["vitest.postgres.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
};

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    projects: [
      project("sdk", ["packages/sdk/test/**/*.test.ts"]),
      project("simulator", ["packages/simulator/test/**/*.test.ts"]),
      project("server", ["packages/server/test/**/*.test.ts"]),
      project("tools", ["tools/**/*.test.ts"]),
      // Whole processes, browsers and foreign clients: slow by nature, never timed.
      project("e2e", ["e2e/**/*.test.ts"], 120_000),
      postgres,
    ],
  },
});
