/**
 * Prints counts of the sources: `npm exec -- node tools/house.ts`.
 *
 * Counts the `src` folder of each package, the server first, then all of them together. `--list`
 * also prints each forbidden word with its line. `--json` prints one JSON document. sizes.ts and
 * words.ts define the counts and the limits, and tidy.test.ts enforces them.
 *
 * A named function is a function declaration, a function assigned to a `const` or `let`, or a
 * method of an object literal. It is nested if another function contains it, inline functions
 * included. Inline functions are not counted themselves. Arrows that only call a named function,
 * as thin factories have them, are counted apart.
 */
import { parseArgs } from "node:util";
import {
  foldersOf,
  LARGE_FOLDERS,
  largeFolders,
  linesOf,
  longFunctions,
  MAX_FOLDER_FILES,
  MAX_FUNCTION_LINES,
  medianLines,
  nestedShare,
  nestingOf,
  type Folder,
  type FunctionIn,
} from "./sizes.ts";
import { readFiles, type SourceFile } from "./source.ts";
import { commentLines, punctuationOf, semicolonsPer1000Words, wordFindings, type WordFinding } from "./words.ts";

const PACKAGES = ["server", "sdk", "simulator"];
const TOTAL = "total";
/** Folders that are printed without `--list`. */
const SHOWN_FOLDERS = 8;

interface Counts {
  readonly name: string;
  readonly files: number;
  readonly median_lines: number;
  readonly max_lines: { readonly path: string; readonly lines: number };
  readonly functions: number;
  readonly nested: number;
  readonly nested_bindings: number;
  readonly nested_percent: number;
  readonly long_functions: readonly FunctionIn[];
  readonly longest_comment_line: { readonly path: string; readonly line: number; readonly columns: number };
  readonly comment_words: number;
  readonly semicolons_per_1000_words: number;
  readonly forbidden_words: readonly WordFinding[];
}

interface Report {
  readonly counts: readonly Counts[];
  readonly folders: readonly Folder[];
  readonly large_folders: readonly Folder[];
  readonly excepted_folders: typeof LARGE_FOLDERS;
}

/** Counts the sources of each package, then of all together. */
export function houseReport(): Report {
  const files = readFiles(["packages/*/src/**/*.*"]);
  const sources = files.filter(({ path }) => path.endsWith(".ts"));
  const packages = PACKAGES.map((name) => `packages/${name}/src`);
  return {
    counts: [
      ...packages.map((name) =>
        countsOf(
          name,
          sources.filter(({ path }) => path.startsWith(`${name}/`)),
        ),
      ),
      countsOf(TOTAL, sources),
    ],
    folders: foldersOf(files).toSorted((a, b) => b.files - a.files),
    large_folders: largeFolders(files),
    excepted_folders: LARGE_FOLDERS,
  };
}

function countsOf(name: string, files: readonly SourceFile[]): Counts {
  const nesting = nestingOf(files);
  const punctuation = punctuationOf(files);
  const sizes = files.map((file) => ({ path: file.path, lines: linesOf(file) }));
  return {
    name,
    files: files.length,
    median_lines: medianLines(files),
    max_lines: largest(sizes, ({ lines }) => lines) ?? { path: "", lines: 0 },
    ...nesting,
    nested_percent: rounded(nestedShare(nesting) * 100),
    long_functions: longFunctions(files).toSorted((a, b) => b.lines - a.lines),
    longest_comment_line: largest(files.flatMap(commentLines), ({ columns }) => columns) ?? {
      path: "",
      line: 0,
      columns: 0,
    },
    comment_words: punctuation.words,
    semicolons_per_1000_words: rounded(semicolonsPer1000Words(punctuation)),
    forbidden_words: files.flatMap(wordFindings),
  };
}

function largest<T>(list: readonly T[], sizeOf: (item: T) => number): T | undefined {
  return list.reduce<T | undefined>(
    (most, item) => (most === undefined || sizeOf(item) > sizeOf(most) ? item : most),
    undefined,
  );
}

const rounded = (number: number): number => Math.round(number * 10) / 10;

/**
 * Returns the printed lines of one package. The total does not repeat the packages' long functions.
 */
function linesFor(counts: Counts): readonly string[] {
  const { max_lines, longest_comment_line: comment } = counts;
  const listed = counts.name === TOTAL ? [] : counts.long_functions;
  return [
    counts.name,
    `  files                         ${counts.files}, median ${counts.median_lines} lines, maximum ${max_lines.lines} (${max_lines.path})`,
    `  functions over ${MAX_FUNCTION_LINES} lines       ${counts.long_functions.length}`,
    ...listed.map(({ path, line, name, lines }) => `    ${lines}  ${path}:${line} ${name ?? "(inline)"}`),
    `  nested functions              ${counts.nested} of ${counts.functions}, ${counts.nested_percent} %; and ${counts.nested_bindings} that only call another`,
    `  longest comment line          ${comment.columns} columns (${comment.path}:${comment.line})`,
    `  semicolons per 1,000 words    ${counts.semicolons_per_1000_words} in ${counts.comment_words} words of comment`,
    `  forbidden words               ${counts.forbidden_words.length}`,
  ];
}

function print({ counts, folders, large_folders, excepted_folders }: Report, is_full: boolean): void {
  const shown = is_full ? folders : folders.slice(0, SHOWN_FOLDERS);
  const words = is_full ? (counts.at(-1)?.forbidden_words ?? []) : [];
  const lines = [
    ...counts.flatMap(linesFor),
    "files per folder",
    ...shown.map(({ path, files }) => `  ${String(files).padStart(4)}  ${path}`),
    `folders over ${MAX_FOLDER_FILES} files: ${large_folders.map(({ path }) => path).join(", ") || "none"}`,
    ...excepted_folders.map(({ path, reason }) => `  except ${path}: ${reason}`),
    ...words.map(({ path, line, word, text }) => `${path}:${line}: ${word}: ${text}`),
  ];
  console.info(lines.join("\n"));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { json: { type: "boolean", default: false }, list: { type: "boolean", default: false } },
  });
  if (values.json) console.info(JSON.stringify(houseReport()));
  else print(houseReport(), values.list);
}
