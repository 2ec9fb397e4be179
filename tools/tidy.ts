/**
 * House rules that no linter knows, each a pure function from files to findings. tidy.test.ts runs them over the repository,
 * and over a small file that breaks each one, so that a rule which stopped looking is noticed.
 */
export interface SourceFile {
  /** From the repository's root, with `/`. */
  readonly path: string;
  readonly text: string;
}

export interface Rule {
  /** As a claim, for the test's name. */
  readonly claim: string;
  /** `path: what is wrong` for each place; none when all is well. */
  readonly check: (files: readonly SourceFile[]) => readonly string[];
  /** Breaks the rule. */
  readonly offender: SourceFile;
}

const SERVER = "packages/server/src/";
const MAX_LINES = 500;
const MAX_MEDIAN_LINES = 120;

/** Code of functions, not of the server: it runs in Deno, and its console is the function's log. */
const isForDeno = (path: string): boolean => path.endsWith(".deno.ts");
const isSource = (path: string): boolean => /^packages\/[a-z]+\/src\//.test(path);

/** In the server's code, comments and plain strings apart, nothing matches `pattern` but in the excepted files. */
function absent(
  claim: string,
  pattern: RegExp,
  excepted: (path: string) => boolean,
  offender: Omit<SourceFile, "path"> & { path?: string },
): Rule {
  return {
    claim,
    check: (files) =>
      files
        .filter(({ path }) => path.startsWith(SERVER) && !excepted(path))
        .flatMap(({ path, text }) =>
          withoutStrings(withoutComments(text))
            .split("\n")
            .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
        ),
    offender: { path: `${SERVER}service/planted.ts`, ...offender },
  };
}

/** Rules that need the catalog's ids take them as a parameter: this file knows no provider either. */
export function rules(provider_ids: readonly string[]): readonly Rule[] {
  // An id of one letter stands in quotes for other reasons, too.
  const telling = provider_ids.filter((id) => id.length > 2);
  const quoted = new RegExp(`["'\`](?:${telling.join("|")})["'\`]`);
  return [
    absent("reads the environment in config.ts only", /\bprocess\.env\b/, (path) => path === `${SERVER}config.ts`, {
      text: "const port = process.env.PORT;\n",
    }),
    absent(
      "asks for the time and sets timers in core/clock.ts only",
      /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bset(?:Timeout|Interval)\(/,
      (path) => path === `${SERVER}core/clock.ts` || isForDeno(path),
      { text: "export const now = () => Date.now();\n" },
    ),
    absent(
      "sends no request with fetch, which has no limits, but in the demo's played person and in functions",
      /\bfetch\(/,
      (path) => path.startsWith(`${SERVER}cli/demo`) || isForDeno(path),
      { text: "export const get = () => fetch(`https://${host}/`);\n" },
    ),
    absent(
      "writes nothing with console: results go through cli/terminal/output.ts, events to the log",
      /\bconsole\./,
      isForDeno,
      {
        text: "console.log(1);\n",
      },
    ),
    {
      claim: "names no provider outside the catalog",
      check: (files) =>
        files
          .filter(({ path }) => path.startsWith(SERVER) && !path.startsWith(`${SERVER}providers/catalog/`))
          .flatMap(({ path, text }) =>
            withoutComments(text)
              .split("\n")
              .flatMap((line, index) => (quoted.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
          ),
      offender: { path: `${SERVER}service/planted.ts`, text: `if (provider.id === "${telling[0]}") return;\n` },
    },
    {
      // A test file is a list of claims: long lists are found by their titles, not read from the top.
      claim: `has no file over ${MAX_LINES} lines, tests aside`,
      check: (files) =>
        files
          .filter(({ path }) => !path.includes("/test/") && !path.endsWith(".test.ts"))
          .flatMap(({ path, text }) => (lines(text) > MAX_LINES ? [`${path}: ${lines(text)} lines`] : [])),
      offender: { path: `${SERVER}service/planted.ts`, text: "\n".repeat(MAX_LINES + 1) },
    },
    {
      claim: `has source files of at most ${MAX_MEDIAN_LINES} lines in the middle`,
      check: (files) => {
        const median = medianOf(files.filter(({ path }) => isSource(path)).map(({ text }) => lines(text)));
        return median > MAX_MEDIAN_LINES ? [`The median of all source files is ${median} lines.`] : [];
      },
      offender: { path: `${SERVER}planted.ts`, text: "\n".repeat(MAX_MEDIAN_LINES + 1) },
    },
    {
      claim: "begins each file of the inner layers with a docstring",
      check: (files) =>
        files
          .filter(({ path }) => /^packages\/server\/src\/(?:core|oauth|vault|store|service|http)\//.test(path))
          .flatMap(({ path, text }) => (text.startsWith("/** ") || text.startsWith("/**\n") ? [] : [path])),
      offender: { path: `${SERVER}core/planted.ts`, text: "// Owns nothing.\nexport const planted = 1;\n" },
    },
    {
      claim: "gives a reason for each lint rule that it switches off",
      check: (files) =>
        files.flatMap(({ path, text }) =>
          text
            .split("\n")
            .flatMap((line, index) =>
              /(?:\/\/|\/\*)\s*(?:ox|es)lint-disable/.test(line) && !/ -- \S+ \S/.test(line)
                ? [`${path}:${index + 1}: ${line.trim()}`]
                : [],
            ),
        ),
      offender: { path: "tools/planted.ts", text: ["/", "/ oxlint-disable-next-line no-console\n"].join("") },
    },
  ];
}

/** One file per provider and one provider per file; what is in a folder below is shared by several. */
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

const lines = (text: string): number => text.split("\n").length - 1;

function medianOf(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

const STRING = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/;
const TEMPLATE = /`(?:\\.|[^`\\])*`/;
const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//;
const STRING_TEMPLATE_COMMENT = new RegExp(
  [STRING, TEMPLATE, COMMENT].map(({ source }) => `(${source})`).join("|"),
  "g",
);

/** Line breaks stay, so that findings name the right line. Strings go first: an address in one is no comment. */
function withoutComments(text: string): string {
  return text.replaceAll(STRING_TEMPLATE_COMMENT, (found) => (/^\/[/*]/.test(found) ? blank(found) : found));
}

/** Templates stay: there is code in them. */
function withoutStrings(text: string): string {
  return text.replaceAll(STRING_TEMPLATE_COMMENT, (found) => (/^["']/.test(found) ? '""' : found));
}

const blank = (text: string): string => text.replaceAll(/[^\n]/g, " ");
