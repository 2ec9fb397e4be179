/**
 * Follows "Add a provider" in CONTRIBUTING.md: runs its commands in a copy of the checkout. The
 * result must type-check and pass the catalog's own tests.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addProvider } from "./add-provider.ts";

const ROOT = join(import.meta.dirname, "..");
const CONFIGURATION = ["package.json", ".npmrc", "tsconfig.base.json", "vitest.config.ts", ".oxfmtrc.json"];
const COPIED = [
  "docs/templates",
  "tools",
  "packages/server/src",
  "packages/server/test",
  "packages/server/package.json",
].concat(CONFIGURATION);
const LINKED = ["node_modules", "packages/server/node_modules", "packages/sdk", "packages/simulator"];
/**
 * Only the provider files. Type-checking the whole server is slow, and `npm run typecheck` does it.
 */
const TSCONFIG = {
  extends: "./tsconfig.base.json",
  compilerOptions: { noEmit: true, customConditions: ["holdfast-source"] },
  include: ["packages/server/src/providers", "packages/server/test/providers"],
};
const TIMEOUT_MS = 90_000;

/** Returns the lines of the shell block below the heading. */
function commandsOf(heading: string): readonly string[] {
  const text = readFileSync(join(ROOT, "CONTRIBUTING.md"), "utf8");
  const section = text.slice(text.indexOf(`\n## ${heading}\n`));
  const block = /```sh\n([\s\S]*?)```/.exec(section)?.[1] ?? "";
  return block.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

function copyOf(): string {
  const copy = mkdtempSync(join(tmpdir(), "holdfast-provider-"));
  for (const path of COPIED) cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  for (const path of LINKED) symlinkSync(join(ROOT, path), join(copy, path));
  writeFileSync(join(copy, "tsconfig.json"), JSON.stringify(TSCONFIG));
  return copy;
}

/** Returns the contents of all files that a change can touch, by path. */
function snapshot(copy: string): ReadonlyMap<string, string> {
  const files = ["packages/server/src", "packages/server/test", "tools", "docs"].flatMap((folder) =>
    readdirSync(join(copy, folder), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()),
  );
  return new Map(
    files.map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), "utf8")]),
  );
}

/**
 * Runs a command in a shell, without the environment variables that vitest sets for its children.
 */
function run(copy: string, command: string): { status: number | null; output: string } {
  const { PATH, HOME } = process.env;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", command], {
    cwd: copy,
    env: { PATH, HOME, NO_COLOR: "1", CI: "true" },
    encoding: "utf8",
  });
  return { status, output: `${command}\n${stdout}${stderr}` };
}

/** Returns the output of a failed command, or null if it succeeded. */
function failureOf(copy: string, command: string): string | null {
  const { status, output } = run(copy, command);
  return status === 0 ? null : output;
}

describe("adding a provider", () => {
  let copy = "";
  beforeAll(() => {
    copy = copyOf();
  });
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  it(
    "needs only the commands in CONTRIBUTING.md and changes at most three files",
    { tags: "all", timeout: TIMEOUT_MS },
    () => {
      const before = snapshot(copy);
      const commands = commandsOf("Add a provider");
      expect(commands.length).toBeGreaterThan(2);
      for (const command of commands) {
        expect(failureOf(copy, command)).toBeNull();
      }
      const after = snapshot(copy);
      const touched = [...after].filter(([path, text]) => before.get(path) !== text).map(([path]) => path);
      expect(touched.length).toBeLessThanOrEqual(3);
      const added = touched.filter((path) => !before.has(path));
      expect(added).toHaveLength(1);
      expect(basename(dirname(added[0] ?? ""))).toBe("catalog");

      const id = basename(added[0] ?? "", ".ts");
      const show = run(
        copy,
        `"${process.execPath}" -C holdfast-source packages/server/src/main.ts providers show ${id} --json`,
      );
      expect(show.output).toContain(`"rotation":"strict"`);
    },
  );

  it("rejects an id that is taken or invalid", () => {
    expect(() => addProvider(copy, "../evil")).toThrow(/is not a valid provider id/);
    expect(() => addProvider(copy, "")).toThrow(/is not a valid provider id/);
    expect(() => addProvider(copy, "notion")).toThrow(/already exists/);
  });
});
