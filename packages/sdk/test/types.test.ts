import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL("types/", import.meta.url));
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");

/** Compiles the SDK and some fixtures like a strict project, and returns the error lines. */
async function errorsIn(...fixtures: string[]): Promise<string[]> {
  const flags = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "nodenext"];
  flags.push("--types", "", "--customConditions", "holdfast-source", "--rewriteRelativeImportExtensions");
  const output = await new Promise<string>((resolve) => {
    execFile(
      process.execPath,
      [tsc, "--ignoreConfig", ...flags, ...fixtures],
      { cwd: folder },
      (_error, stdout, stderr) => resolve(stdout + stderr),
    );
  });
  return output.split("\n").filter((line) => line.includes("error TS"));
}

it("accepts any integration type while the registry is empty", async () => {
  expect(await errorsIn("open.ts")).toEqual([]);
});

it("accepts only the registry's keys once a project augments it", async () => {
  expect(await errorsIn("narrowed.ts")).toEqual([]);
});

it("rejects misspelled types and methods at compile time", async () => {
  const lines = (await readFile(join(folder, "misspelled.ts"), "utf8")).split("\n");
  const marked = lines.flatMap((line, index) => (line.endsWith("// error") ? [`misspelled.ts(${index + 1}`] : []));
  const found = await errorsIn("narrowed.ts", "misspelled.ts");
  expect(found.map((error) => error.split(",")[0])).toEqual(marked);
});
