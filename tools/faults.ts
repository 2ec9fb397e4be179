/**
 * Which test makes which fault: faults-list.ts joined with what the tests themselves say. A test says it by its name, or by
 * its row in a table: `F7: …`, `id: "F7", does: "…"`, `F7: { about: "…"`. Read from the text, so that nothing has to run.
 *
 * `node tools/faults.ts --count` prints how many have a test; `--table` prints the table of CONTRIBUTING.md, which
 * faults.test.ts compares.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { FAULTS, type Fault, type NamedTest } from "./faults-list.ts";
import type { SourceFile } from "./tidy.ts";

const ROOT = join(import.meta.dirname, "..");
const TESTS = ["e2e/**/*.ts", "packages/server/test/**/*.ts"];
/** What the table shows of one fault; the files have the rest. */
const SHOWN = 2;

interface CoveredFault extends Fault {
  readonly tests: readonly NamedTest[];
}

const ID = String.raw`F\d+b?`;
const IDS = String.raw`(${ID}(?:(?:, | and |\/)${ID})*)`;
/** The argument of `it(…)`, `describe.for(…)(…)` and the like; what a console prints is no name. */
const CALLED = new RegExp(String.raw`(?:\b(?:it|test|describe)|\))\(\s*(["'\`])${IDS}: ((?:\\.|(?!\1).)*)\1`, "g");
const ROWS = new RegExp(String.raw`\bid: "${IDS}",\s*does: (["'\`])((?:\\.|(?!\2).)*)\2`, "g");
const KEYED = new RegExp(String.raw`^\s*${IDS}: \{\s*about: (["'\`])((?:\\.|(?!\2).)*)\2`, "gm");

/** What a test file says about itself, as id and name. */
export function testsIn({ path, text }: SourceFile): readonly { readonly id: string; readonly test: NamedTest }[] {
  const found = [
    ...[...text.matchAll(CALLED)].map(([, , ids = "", name = ""]) => ({ ids, name })),
    ...[...text.matchAll(ROWS)].map(([, ids = "", , name = ""]) => ({ ids, name })),
    ...[...text.matchAll(KEYED)].map(([, ids = "", , name = ""]) => ({ ids, name })),
  ];
  return found.flatMap(({ ids, name }) => {
    const test = [path, name.replaceAll(/\$\{[^}]*\}/g, "…").replaceAll(/\\(.)/g, "$1")] as const;
    return [...ids.matchAll(new RegExp(ID, "g"))].map(([id]) => ({ id, test }));
  });
}

export function testFiles(): readonly SourceFile[] {
  return globSync(TESTS, { cwd: ROOT })
    .map((path) => path.replaceAll("\\", "/"))
    .toSorted()
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
}

/** Each fault with all of its tests, those that say so themselves first. */
export function coveredFaults(files = testFiles()): readonly CoveredFault[] {
  const found = files.flatMap(testsIn);
  return FAULTS.map((fault) => ({
    ...fault,
    tests: [...found.filter(({ id }) => id === fault.id).map(({ test }) => test), ...(fault.tests ?? [])],
  }));
}

/** Listed tests that are not in the file they are listed with, as `id: file: name`. */
export function lostTests(files = testFiles()): readonly string[] {
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  return FAULTS.flatMap(({ id, tests = [] }) =>
    tests
      .filter(([file, name]) => !['"', "'", "`"].some((quote) => texts.get(file)?.includes(quote + name + quote)))
      .map(([file, name]) => `${id}: ${file}: ${name}`),
  );
}

/** Ids in the names of tests that are none of ours: a slip of the pen would otherwise count for nothing. */
export function unknownIds(files = testFiles()): readonly string[] {
  const known = new Set(FAULTS.map(({ id }) => id));
  return files.flatMap(testsIn).flatMap(({ id, test }) => (known.has(id) ? [] : [`${id}: ${test.join(": ")}`]));
}

export const uncovered = (faults = coveredFaults()): readonly string[] =>
  faults.filter(({ tests, reason }) => tests.length === 0 && reason === undefined).map(({ id }) => id);

/** The table of CONTRIBUTING.md, as the formatter leaves it. */
export function faultsTable(faults = coveredFaults()): string {
  const cell = ({ tests, reason }: CoveredFault): string => {
    if (tests.length === 0) return reason === undefined ? "none yet" : `none: ${reason}`;
    const shown = tests.slice(0, SHOWN).map(([file, name]) => `${linked(file)} \`${name.replaceAll("`", "'")}\``);
    const more = tests.length - shown.length;
    return shown.join("; ") + (more === 0 ? "" : `; and ${more} more`);
  };
  return table([["fault", "what happens", "tests"], ...faults.map((fault) => [fault.id, fault.title, cell(fault)])]);
}

const linked = (file: string): string => `[${file.split("/").at(-1) ?? file}](${file})`;

function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map((text) => text.replaceAll("|", String.raw`\|`)));
  const [head = [], ...rest] = cells;
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((text, i) => text.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rest.map(line)].join("\n");
}

const MARKER = "<!-- faults -->";

/** What stands between the two markers of a page; null without them. */
export function betweenMarkers(page: string): string | null {
  const [, between] = page.split(MARKER);
  return page.split(MARKER).length === 3 ? (between ?? "").trim() : null;
}

/** The page with the table as it should be. @throws Error when it has no place for it */
export function withFaultsTable(page: string): string {
  const [before, between, after] = page.split(MARKER);
  if (before === undefined || between === undefined || after === undefined)
    throw new Error(`The page has no two lines ${MARKER}, between which the table goes.`);
  return `${before}${MARKER}\n\n${faultsTable()}\n\n${MARKER}${after}`;
}

if (import.meta.main) {
  const faults = coveredFaults();
  if (process.argv.includes("--table")) console.info(faultsTable(faults));
  else {
    const tested = faults.filter(({ tests }) => tests.length > 0).length;
    const reasons = faults.filter(({ tests, reason }) => tests.length === 0 && reason !== undefined).length;
    const rest = uncovered(faults);
    console.info(
      `${tested} of ${faults.length} faults have a test${reasons === 0 ? "" : `, ${reasons} a reason for having none`}${rest.length === 0 ? "" : `; nothing yet for ${rest.join(", ")}`}`,
    );
    if (rest.length > 0) process.exitCode = 1;
  }
}
