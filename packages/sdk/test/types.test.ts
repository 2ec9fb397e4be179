import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL("types/", import.meta.url));
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");

/** `file(line)` of each error that the compiler finds in the SDK and some fixtures, as a strict project would compile them. */
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

it("takes any integration type while the registry is empty", async () => {
  expect(await errorsIn("open.ts")).toEqual([]);
});

it("takes only the registry's keys once a project augments it", async () => {
  expect(await errorsIn("narrowed.ts")).toEqual([]);
});

it("refuses misspelt types and methods at compile time", async () => {
  const lines = (await readFile(join(folder, "misspelt.ts"), "utf8")).split("\n");
  const marked = lines.flatMap((line, index) => (line.endsWith("// refused") ? [`misspelt.ts(${index + 1}`] : []));
  const found = await errorsIn("narrowed.ts", "misspelt.ts");
  expect(found.map((error) => error.split(",")[0])).toEqual(marked);
});
