/** Prints what the example functions did, as a table for a terminal. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Expected, ExpectedFunction } from "./expected.ts";

export interface RunResult {
  readonly function_name: string;
  readonly title: string;
  readonly calls: number;
  readonly changes: number;
  /** Empty: everything was as expected. */
  readonly differences: readonly string[];
}

interface Row {
  readonly function: string;
  readonly pin: string;
  readonly imports: string;
  readonly runs: string;
  readonly calls: string;
  readonly state: string;
  readonly result: string;
}

const HEADER: Row = {
  function: "function",
  pin: "pin",
  imports: "imports",
  runs: "runs",
  calls: "calls",
  state: "state",
  result: "result",
};

const SDK = "npm:@base44/sdk";

/** Returns the table, and each difference below it. */
export function tableOf(project: string, expected: Expected, results: readonly RunResult[]): string {
  const rows = expected.functions.map((one) => rowOf(project, one, results));
  const failed = results.filter(({ differences }) => differences.length > 0);
  return [
    ...aligned([HEADER, ...rows]),
    ...failed.flatMap(({ function_name, title, differences }) => [
      "",
      `${function_name}: ${title}`,
      ...differences.map((line) => `  ${line}`),
    ]),
    "",
    `${rows.length} functions, ${results.length} runs, ${failed.length} with differences`,
  ].join("\n");
}

function rowOf(project: string, { name, runs }: ExpectedFunction, results: readonly RunResult[]): Row {
  const own = results.filter((one) => one.function_name === name);
  const imports = importsOf(join(project, "functions", name));
  const sdk = imports.find((specifier) => specifier.startsWith(SDK));
  const sum = (count: (one: RunResult) => number): string => String(own.reduce((all, one) => all + count(one), 0));
  const is_good = own.length === runs.length && own.every(({ differences }) => differences.length === 0);
  return {
    function: name,
    pin: sdk === undefined ? "no SDK" : sdk.slice(SDK.length + 1) || "any",
    imports: imports.filter((specifier) => specifier !== sdk).join(" "),
    runs: `${own.length}`,
    calls: sum(({ calls }) => calls),
    state: sum(({ changes }) => changes),
    result: is_good ? "ok" : "DIFFERS",
  };
}

/** Returns the specifiers that a function's own files import, in order. */
function importsOf(folder: string): readonly string[] {
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  const found = sources.flatMap((path) =>
    [...readFileSync(join(folder, path), "utf8").matchAll(/ from "([^"]+)"/g)].map(([, specifier = ""]) => specifier),
  );
  return [...new Set(found)];
}

function aligned(rows: readonly Row[]): readonly string[] {
  const columns = ["function", "pin", "imports", "runs", "calls", "state", "result"] as const;
  const widths = columns.map((column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    columns
      .map((column, index) => row[column].padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
