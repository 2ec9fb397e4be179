import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { houseReport } from "./house.ts";

const run = (...options: readonly string[]): string =>
  execFileSync(process.execPath, [join(import.meta.dirname, "house.ts"), ...options], { encoding: "utf8" });

it("counts each package, the server first, then all together", () => {
  const { counts } = houseReport();
  expect(counts.map(({ name }) => name)).toEqual([
    "packages/server/src",
    "packages/sdk/src",
    "packages/simulator/src",
    "total",
  ]);
  const sum = counts.slice(0, -1).reduce((files, package_counts) => files + package_counts.files, 0);
  expect(counts.at(-1)?.files).toBe(sum);
  expect(counts.every(({ median_lines, functions }) => median_lines > 0 && functions > 0)).toBe(true);
});

it("counts the files of the catalog, and says why they are in one folder", () => {
  const { folders, large_folders, excepted_folders } = houseReport();
  const catalog = folders.find(({ path }) => path === "packages/server/src/providers/catalog");
  expect(catalog?.files).toBeGreaterThan(20);
  expect(large_folders).not.toContainEqual(catalog);
  expect(excepted_folders.map(({ path }) => path)).toContain(catalog?.path);
});

it("prints text, or one JSON document", () => {
  expect(run()).toMatch(/^packages\/server\/src\n {2}files .*median \d+ lines, maximum \d+/);
  expect(JSON.parse(run("--json"))).toEqual(JSON.parse(JSON.stringify(houseReport())));
});
