import { statfsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { tracing } from "./packages/server/test/walks/trace.ts";

/** Workspaces name their TypeScript sources under this condition, so tests run without a build. */
const conditions = ["holdfast-source"];

/** These share one PostgreSQL server, which other tests need not start. */
const POSTGRES = ["packages/server/test/store/postgres.test.ts", "e2e/several-nodes.test.ts"];

/** Whole processes that are killed, stopped and cut off, one file after the other. */
const FAULTS = "e2e/faults/**/*.test.ts";
/** `npm test` runs one trip of each heavy suite. `npm run test:all` runs all of them in full. */
const is_all = process.env["TESTS"] === "all";
/** The fault suites that have a trip in `npm test`. */
const SHORT_FAULTS = ["storm", "crash-table", "versions", "support/tcp-proxy"];
/** A directory for reports of test results as JSON, one file per run. Unset: none. */
const reports = process.env["TEST_REPORTS"];

/**
 * Where Linux keeps files in memory. Containers often allow it 64 MB, which the data of the tests
 * exceeds.
 */
const MEMORY = "/dev/shm";
const MEMORY_NEEDED_BYTES = 2 ** 31;

/** The server's sources are instrumented for these (packages/server/test/walks/trace.ts). */
const WALKS = "packages/server/test/walks/**/*.test.ts";

const project = (name: string, include: string[], timeout_ms = 20_000) => ({
  extends: true as const,
  test: { name, include, exclude: [...POSTGRES, FAULTS, WALKS], testTimeout: timeout_ms, hookTimeout: timeout_ms },
});

const walks = {
  extends: true as const,
  plugins: [tracing],
  test: { name: "walks", include: [WALKS], testTimeout: 60_000, hookTimeout: 60_000 },
};

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

const faults = {
  extends: true as const,
  test: {
    name: "faults",
    include: is_all ? [FAULTS] : SHORT_FAULTS.map((name) => `e2e/faults/${name}.test.ts`),
    globalSetup: ["vitest.postgres.ts"],
    // They fill the machine by themselves, and wait for leases of seconds.
    fileParallelism: false,
    testTimeout: is_all ? 900_000 : 180_000,
    hookTimeout: 120_000,
  },
};

/**
 * Puts the data directories of in-process tests into memory where there is room: thousands of
 * durable commits would wait for the disk. Whole processes and faults keep to the disk.
 */
function memoryEnvironment(): Record<string, string> {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize < MEMORY_NEEDED_BYTES ? {} : { TMPDIR: MEMORY };
  } catch {
    return {};
  }
}

const server = project("server", ["packages/server/test/**/*.test.ts"]);

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    tags: [{ name: "all", description: "Runs in `npm run test:all` only: a further trip of a heavy suite." }],
    ...(is_all ? {} : { tagsFilter: ["!all"] }),
    reporters: reports === undefined ? ["default"] : ["default", "json"],
    ...(reports === undefined ? {} : { outputFile: { json: `${reports}/${process.pid}.json` } }),
    // On two cores the default is one. Many tests wait for a process more than they compute.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      project("sdk", ["packages/sdk/test/**/*.test.ts"]),
      project("simulator", ["packages/simulator/test/**/*.test.ts"]),
      { ...server, test: { ...server.test, env: memoryEnvironment() } },
      project("tools", ["tools/**/*.test.ts"]),
      // Whole processes, browsers and foreign clients: slow by nature, never timed.
      project("e2e", ["e2e/**/*.test.ts"], 120_000),
      walks,
      postgres,
      faults,
    ],
  },
});
