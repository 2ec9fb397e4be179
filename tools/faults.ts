/**
 * Joins the list of faults (faults-list.ts) with the tests that cover them. A test names its faults
 * in its title or in its row of a table: `F7: …`, `id: "F7", does: "…"`, `F7: { about: "…"`. The
 * names are read from the text of the test files, so nothing has to run.
 *
 * `node tools/faults.ts --count` prints how many faults have a test. `npm run generate` writes the
 * list to docs/faults.md.
 */
import { FAULT_GROUPS, FAULTS, type Fault, type NamedTest } from "./faults-list.ts";
import { generatedFrom, markdownPage } from "./markdown.ts";
import { readFiles, type SourceFile } from "./source.ts";

const TESTS = ["e2e/**/*.ts", "packages/server/test/**/*.ts"];

interface CoveredFault extends Fault {
  readonly tests: readonly NamedTest[];
}

const ID = String.raw`F\d+b?`;
const IDS = String.raw`(${ID}(?:(?:, | and |\/)${ID})*)`;
/**
 * The argument of `it(…)`, `describe.for(…)(…)` and the like. Texts that a console prints are not
 * names.
 */
const CALLED = new RegExp(String.raw`(?:\b(?:it|test|describe)|\))\(\s*(["'\`])${IDS}: ((?:\\.|(?!\1).)*)\1`, "g");
const ROWS = new RegExp(String.raw`\bid: "${IDS}",\s*does: (["'\`])((?:\\.|(?!\2).)*)\2`, "g");
const KEYED = new RegExp(String.raw`^\s*${IDS}: \{\s*about: (["'\`])((?:\\.|(?!\2).)*)\2`, "gm");

/** Returns the faults that a test file names, each with the test's name. */
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

const testFiles = (): readonly SourceFile[] => readFiles(TESTS);

/** Returns each fault with its tests. Tests that name the fault come before listed ones. */
export function coveredFaults(files = testFiles()): readonly CoveredFault[] {
  const found = files.flatMap(testsIn);
  return FAULTS.map((fault) => ({
    ...fault,
    tests: [...found.filter(({ id }) => id === fault.id).map(({ test }) => test), ...(fault.tests ?? [])],
  }));
}

/** Returns the listed tests that are missing from their file, as `id: file: name`. */
export function lostTests(files = testFiles()): readonly string[] {
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  return FAULTS.flatMap(({ id, tests = [] }) =>
    tests
      .filter(([file, name]) => !['"', "'", "`"].some((quote) => texts.get(file)?.includes(quote + name + quote)))
      .map(([file, name]) => `${id}: ${file}: ${name}`),
  );
}

/**
 * Returns ids in test names that are not in the list. Without this check a mistyped id covers
 * nothing.
 */
export function unknownIds(files = testFiles()): readonly string[] {
  const known = new Set(FAULTS.map(({ id }) => id));
  return files.flatMap(testsIn).flatMap(({ id, test }) => (known.has(id) ? [] : [`${id}: ${test.join(": ")}`]));
}

/** Returns the ids of faults that have neither a test nor a reason for having none. */
export const uncovered = (faults = coveredFaults()): readonly string[] =>
  faults.filter(({ tests, reason }) => tests.length === 0 && reason === undefined).map(({ id }) => id);

/**
 * Returns docs/faults.md: each fault with all of its tests. A list, so that a renamed test changes
 * one line.
 */
export function faultsPage(files = testFiles()): string {
  const covered = new Map(coveredFaults(files).map((fault) => [fault.id, fault]));
  return markdownPage([
    "# Faults and their tests",
    generatedFrom("tools/faults-list.ts and the names of the tests"),
    "What can go wrong around a refresh, and the tests that cause it. A test's name begins with the id of its fault. [refresh.md](refresh.md) explains the protocol, and which losses it cannot prevent.",
    ...FAULT_GROUPS.flatMap(({ title, faults }) => [
      `## ${title}`,
      faults.flatMap(({ id }) => entryOf(covered.get(id))).join("\n"),
    ]),
  ]);
}

function entryOf(fault: CoveredFault | undefined): readonly string[] {
  if (fault === undefined) return [];
  const { id, title, tests, reason } = fault;
  const head = `- **${id}** ${title}`;
  if (tests.length === 0) return [`${head} (no test${reason === undefined ? " yet" : `: ${reason}`})`];
  return [head, ...tests.map(([file, name]) => `  - ${linkTo(file)} \`${name.replaceAll("`", "'")}\``)];
}

const linkTo = (file: string): string => `[${file.split("/").at(-1) ?? file}](../${file})`;

function printCount(): void {
  const faults = coveredFaults();
  const tested = faults.filter(({ tests }) => tests.length > 0).length;
  const explained = faults.filter(({ tests, reason }) => tests.length === 0 && reason !== undefined).length;
  const rest = uncovered(faults);
  console.info(
    [
      `${tested} of ${faults.length} faults have a test.`,
      ...(explained === 0 ? [] : [`${explained} have a reason for having none.`]),
      ...(rest.length === 0 ? [] : [`Not covered: ${rest.join(", ")}.`]),
    ].join(" "),
  );
  if (rest.length > 0) process.exitCode = 1;
}

if (import.meta.main) printCount();
