/**
 * CONTRIBUTING's "Add a provider", done: its commands run in a copy of the checkout, and what they leave behind must
 * type-check and pass the catalog's own tests.
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
/** The whole server takes long, and whether it type-checks is for `npm run typecheck` to say. */
const TSCONFIG = {
  extends: "./tsconfig.base.json",
  compilerOptions: { noEmit: true, customConditions: ["holdfast-source"] },
  include: ["packages/server/src/providers", "packages/server/test/providers"],
};
const TIMEOUT_MS = 90_000;

/** The lines of the shell block below the heading. */
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

/** Path to text of what a change may touch. */
function snapshot(copy: string): ReadonlyMap<string, string> {
  const files = ["packages/server/src", "packages/server/test", "tools", "docs"].flatMap((folder) =>
    readdirSync(join(copy, folder), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()),
  );
  return new Map(
    files.map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), "utf8")]),
  );
}

/** As a person would type it in a shell; without what vitest set for its own children. */
function run(copy: string, command: string): { status: number | null; output: string } {
  const { PATH, HOME } = process.env;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", command], {
    cwd: copy,
    env: { PATH, HOME, NO_COLOR: "1", CI: "true" },
    encoding: "utf8",
  });
  return { status, output: `${command}\n${stdout}${stderr}` };
}

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
    "takes the commands of CONTRIBUTING.md and at most three files",
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
    TIMEOUT_MS,
  );

  it("is refused for an id that is taken or could not be one", () => {
    expect(() => addProvider(copy, "../evil")).toThrow(/cannot be a provider's id/);
    expect(() => addProvider(copy, "")).toThrow(/cannot be a provider's id/);
    expect(() => addProvider(copy, "notion")).toThrow(/is there already/);
  });
});
