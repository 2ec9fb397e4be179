/**
 * A test run with the shared PostgreSQL exits with the code that its tests deserve. Every change is
 * checked by that code.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { ROOT } from "./root.ts";

const VITEST = join(ROOT, "node_modules/vitest/vitest.mjs");

/** Writes a test below the checkout, because it imports vitest. No project includes the folder. */
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
