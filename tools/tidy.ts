/**
 * House rules that no linter has. Each is a pure function from files to findings. tidy.test.ts runs
 * them over the repository, and over small files that break each one, so that a rule that stopped
 * working is noticed.
 */
import {
  linesOf,
  longFunctions,
  largeFolders,
  MAX_FILE_LINES,
  MAX_FOLDER_FILES,
  MAX_FUNCTION_LINES,
  MAX_MEDIAN_LINES,
  MAX_NESTED_SHARE,
  medianLines,
  nestedShare,
  nestingOf,
} from "./sizes.ts";
import { isTest, syntaxOf, withoutComments, withoutText, type SourceFile } from "./source.ts";
import {
  commentLines,
  FORBIDDEN,
  MAX_COMMENT_COLUMNS,
  MAX_SEMICOLONS_PER_1000_WORDS,
  punctuationOf,
  semicolonsPer1000Words,
  wordFindings,
} from "./words.ts";

export interface Rule {
  /** Completes "the repository …" in the test's name. */
  readonly claim: string;
  /** Returns `path: what is wrong` for each violation. */
  readonly check: (files: readonly SourceFile[]) => readonly string[];
  /** Small repositories. Each of them breaks the rule once. */
  readonly offenders: readonly (readonly SourceFile[])[];
}

const SERVER = "packages/server/src/";

/** Code of functions runs in Deno, not in the server. Its console is the function's log. */
const isForDeno = (path: string): boolean => path.endsWith(".deno.ts");
const isCode = ({ path }: SourceFile): boolean => path.endsWith(".ts");
const isSource = ({ path }: SourceFile): boolean => /^packages\/[a-z]+\/src\/.*\.ts$/.test(path);
const planted = (text: string, path = `${SERVER}service/planted.ts`): readonly SourceFile[] => [{ path, text }];

/** Returns `path:line: text` for each line that matches. */
function linesMatching(path: string, text: string, pattern: RegExp): readonly string[] {
  return text
    .split("\n")
    .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : []));
}

/**
 * The server's code does not match `pattern`, except in the excepted files. Comments and plain
 * strings do not count.
 */
function absent(
  claim: string,
  pattern: RegExp,
  is_excepted: (path: string) => boolean,
  offender: readonly SourceFile[],
): Rule {
  return {
    claim,
    check: (files) =>
      files
        .filter(({ path }) => path.startsWith(SERVER) && !is_excepted(path))
        .flatMap((file) => linesMatching(file.path, withoutText(file), pattern)),
    offenders: [offender],
  };
}

/**
 * Returns all rules. The ids of the catalog are a parameter, because this file names no provider
 * either.
 */
export const rules = (provider_ids: readonly string[]): readonly Rule[] => [
  ...codeRules(provider_ids),
  ...sizeRules,
  ...proseRules,
];

function codeRules(provider_ids: readonly string[]): readonly Rule[] {
  // A one-letter id appears in quotes for other reasons, too.
  const ids = provider_ids.filter((id) => id.length > 2);
  const quoted = new RegExp(`["'\`](?:${ids.join("|")})["'\`]`);
  return [
    absent(
      "reads the environment only in config.ts",
      /\bprocess\.env\b/,
      (path) => path === `${SERVER}config.ts`,
      planted("const port = process.env.PORT;\n"),
    ),
    absent(
      "reads the time and sets timers only in core/clock.ts",
      /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bset(?:Timeout|Interval)\(/,
      (path) => path === `${SERVER}core/clock.ts` || isForDeno(path),
      planted("export const now = () => Date.now();\n"),
    ),
    absent(
      "calls fetch, which has no limits, only in the demo's simulated user and in functions",
      /\bfetch\(/,
      (path) => path.startsWith(`${SERVER}cli/demo`) || isForDeno(path),
      planted("export const get = () => fetch(`https://${host}/`);\n"),
    ),
    absent(
      "writes nothing with console: results go through cli/terminal/output.ts, events to the log",
      /\bconsole\./,
      isForDeno,
      planted("console.log(1);\n"),
    ),
    {
      claim: "names no provider outside the catalog",
      check: (files) =>
        files
          .filter(({ path }) => path.startsWith(SERVER) && !path.startsWith(`${SERVER}providers/catalog/`))
          .flatMap((file) => linesMatching(file.path, withoutComments(file), quoted)),
      offenders: [planted(`export const is_first = provider.id === "${ids[0]}";\n`)],
    },
    {
      // The linter takes a handler for an intention: it does not report `send().catch(log);`.
      claim: "marks each promise that it does not wait for with void, even if it handles the error",
      check: (files) =>
        files
          .filter(isCode)
          .flatMap((file) => syntaxOf(file).chains.map((line) => `${file.path}:${line}: neither await nor void`)),
      offenders: [planted("send().catch(log);\n"), planted("if (is_due) send()\n  .then(log)\n  .finally(done);\n")],
    },
    {
      claim: "begins each file of the inner layers with a docstring",
      check: (files) =>
        files
          .filter(({ path }) =>
            /^packages\/server\/src\/(?:core|net|wire|oauth|vault|store|service|http)\/.*\.ts$/.test(path),
          )
          .flatMap(({ path, text }) => (text.startsWith("/** ") || text.startsWith("/**\n") ? [] : [path])),
      offenders: [planted("// Owns nothing.\nexport const planted = 1;\n", `${SERVER}core/planted.ts`)],
    },
    {
      claim: "gives a reason for each lint rule that it switches off",
      check: (files) =>
        files
          .filter(isCode)
          .flatMap(({ path, text }) =>
            linesMatching(path, text, /(?:\/\/|\/\*)\s*(?:ox|es)lint-disable(?!.* -- \S+ \S)/),
          ),
      offenders: [planted(["/", "/ oxlint-disable-next-line no-console\n"].join(""), "tools/planted.ts")],
    },
  ];
}

/** A function with a body of so many lines, and its closing line. */
const functionOf = (lines: number): string => `export function planted() {\n${"\n".repeat(lines)}}\n`;

const sizeRules: readonly Rule[] = [
  {
    // A test file is a list of claims. Its readers search for a title and do not read it from the
    // top.
    claim: `has no file over ${MAX_FILE_LINES} lines, except tests`,
    check: (files) =>
      files
        .filter((file) => isCode(file) && !isTest(file.path))
        .flatMap((file) => {
          const lines = linesOf(file);
          return lines > MAX_FILE_LINES ? [`${file.path}: ${lines} lines`] : [];
        }),
    offenders: [planted("\n".repeat(MAX_FILE_LINES + 1))],
  },
  {
    claim: `has source files with a median of at most ${MAX_MEDIAN_LINES} lines`,
    check: (files) => {
      const median = medianLines(files.filter(isSource));
      return median > MAX_MEDIAN_LINES ? [`The median of all source files is ${median} lines.`] : [];
    },
    offenders: [planted("\n".repeat(MAX_MEDIAN_LINES + 1))],
  },
  {
    claim: `has no function over ${MAX_FUNCTION_LINES} lines in its sources`,
    check: (files) =>
      longFunctions(files.filter(isSource)).map(
        ({ path, line, name, lines }) => `${path}:${line}: ${name ?? "an inline function"} has ${lines} lines`,
      ),
    offenders: [
      planted(functionOf(MAX_FUNCTION_LINES - 1)),
      planted(`${"\n".repeat(3)}each(() => {${"\n".repeat(MAX_FUNCTION_LINES)}});\n`),
    ],
  },
  {
    claim: `nests at most ${MAX_NESTED_SHARE * 100} % of the server's functions in another function`,
    check: (files) => {
      const nesting = nestingOf(files.filter((file) => isSource(file) && file.path.startsWith(SERVER)));
      return nestedShare(nesting) > MAX_NESTED_SHARE
        ? [`${nesting.nested} of ${nesting.functions} functions are nested.`]
        : [];
    },
    offenders: [planted("function outer() {\n  const inner = () => 1;\n  return inner;\n}\n")],
  },
  {
    claim: `has no folder with more than ${MAX_FOLDER_FILES} source files`,
    check: (files) => largeFolders(files.filter(isSource)).map(({ path, files: count }) => `${path}: ${count} files`),
    offenders: [
      Array.from({ length: MAX_FOLDER_FILES + 1 }, (_, index) =>
        planted("", `${SERVER}service/planted${index}.ts`),
      ).flat(),
    ],
  },
];

const isProse = ({ path }: SourceFile): boolean => path.endsWith(".ts") || path.endsWith(".md");
const packageOf = ({ path }: SourceFile): string =>
  /^(?:packages\/[a-z]+|[a-z0-9]+)(?=\/)/.exec(path)?.[0] ?? "the root";

const proseRules: readonly Rule[] = [
  {
    claim: "uses none of the words that have a better one in the trade",
    check: (files) =>
      files
        .filter(isProse)
        .flatMap(wordFindings)
        .map(({ path, line, word, text }) => `${path}:${line}: "${word}": ${text}`),
    offenders: FORBIDDEN.map((word) => planted(`// Returns ${word} here.\n`)),
  },
  {
    claim: `has at most ${MAX_SEMICOLONS_PER_1000_WORDS} semicolons per 1,000 words of comment in each package`,
    check: (files) =>
      [...Map.groupBy(files.filter(isCode), packageOf)].flatMap(([name, list]) => {
        const share = semicolonsPer1000Words(punctuationOf(list));
        return share > MAX_SEMICOLONS_PER_1000_WORDS ? [`${name}: ${share.toFixed(1)} per 1,000 words`] : [];
      }),
    offenders: [planted(`// ${"word ".repeat(100)}; one more\n`)],
  },
  {
    claim: `has no comment wider than ${MAX_COMMENT_COLUMNS} columns`,
    check: (files) =>
      files
        .filter(isCode)
        .flatMap(commentLines)
        .flatMap(({ path, line, columns }) =>
          columns > MAX_COMMENT_COLUMNS ? [`${path}:${line}: ${columns} columns`] : [],
        ),
    offenders: [
      planted(`// ${"word ".repeat(20)}\n`),
      planted(`const planted = 1; // ${"word ".repeat(20)}\n`),
      planted(`/**\n * ${"word ".repeat(20)}\n */\n`),
    ],
  },
];

/**
 * Compares the list of providers with the files of the catalog: one file per provider, one provider
 * per file.
 */
export function catalogFindings(provider_ids: readonly string[], file_names: readonly string[]): readonly string[] {
  const files = new Set(file_names.map((name) => name.replace(/\.ts$/, "")));
  const ids = new Set(provider_ids);
  return [
    ...[...files]
      .filter((name) => !ids.has(name))
      .map((name) => `catalog/${name}.ts is not in the list of providers/index.ts.`),
    ...[...ids]
      .filter((id) => !files.has(id))
      .map((id) => `${id} is in the list of providers/index.ts without catalog/${id}.ts.`),
  ];
}
