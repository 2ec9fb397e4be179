import { defineConfig } from "vitest/config";

/** Workspaces name their TypeScript sources under this condition, so tests run without a build. */
const conditions = ["holdfast-source"];

const project = (name: string, include: string[], timeout_ms = 20_000) => ({
  extends: true as const,
  test: { name, include, testTimeout: timeout_ms, hookTimeout: timeout_ms },
});

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
    ],
  },
});
