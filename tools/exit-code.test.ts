/**
 * A run with the shared PostgreSQL ends with the code that its tests deserve: the gate of every
 * change rests on it.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const VITEST = join(ROOT, "node_modules/vitest/vitest.mjs");

/**
 * Below the checkout, since the planted test imports vitest; in a folder that nothing looks into.
 */
function plant(body: string): string {
  const parent = join(ROOT, "node_modules/.cache");
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, "exit-code-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, "vitest.config.ts"),
    `export default { resolve: { conditions: ["holdfast-source"] }, test: { globalSetup: [${JSON.stringify(join(ROOT, "vitest.postgres.ts"))}] } };`,
  );
  writeFileSync(
    join(folder, "planted.test.ts"),
    `import { expect, it } from "vitest";\nit("is planted", () => ${body});`,
  );
  return folder;
}

it.each([
  ["fails with a failed test", "expect(1).toBe(2)", 1],
  ["succeeds without one", "expect(1).toBe(1)", 0],
])(
  "%s",
  (_, body, code) => {
    const folder = plant(body);
    const { status, stdout } = spawnSync(process.execPath, [VITEST, "run", "--root", folder], { encoding: "utf8" });
    expect(stdout).toContain(code === 0 ? "1 passed" : "1 failed");
    expect(status).toBe(code);
  },
  60_000,
);
