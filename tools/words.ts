/**
 * House rules for prose: the words that this project does not use, semicolons, and the width of
 * comments. They read comments, strings and Markdown pages.
 */
import { isTest, lineFinder, syntaxOf, type SourceFile, type Span } from "./source.ts";

/**
 * The trade has a better word for each: caller, reader, client, user, operator, process. A word
 * leaves this list only by an ADR.
 */
export const FORBIDDEN: readonly string[] = [
  "somebody",
  "nobody",
  "everybody",
  "anybody",
  "whoever",
  "whatever",
  "wherever",
  "whichever",
  "is to be",
  "are to be",
  "what is to be",
  "one that is",
];

export const MAX_SEMICOLONS_PER_1000_WORDS = 6;
export const MAX_COMMENT_COLUMNS = 100;

interface Exception {
  /** The files it holds for. */
  readonly path: RegExp;
  /** The line that the word stands in. */
  readonly line: RegExp;
  readonly reason: string;
}

export const EXCEPTIONS: readonly Exception[] = [
  {
    path: /^tools\/(?:words|tidy\.test)\.ts$/,
    line: /./,
    reason: "the list itself, and its test",
  },
  {
    path: /\/core\/error-table\.ts$/,
    line: /"nobody"/,
    reason: "the wire value of who_must_act",
  },
  {
    path: /\.ts$/,
    line: /\bwho_must_act\b.*"nobody"/,
    reason: "the wire value of who_must_act",
  },
  {
    path: /^docs\/errors\.md$/,
    line: /\| nobody +\|/,
    reason: "the wire value of who_must_act",
  },
];

/**
 * Between the words of a phrase: blanks, a line break, and the stars or slashes that continue a
 * comment.
 */
const GAP = String.raw`(?:\s|[*/])+`;
/** Longer phrases come first, so that "what is to be" is not found as "is to be". */
const PATTERN = new RegExp(
  String.raw`\b(?:${FORBIDDEN.toSorted((a, b) => b.length - a.length)
    .map((word) => word.replaceAll(" ", GAP))
    .join("|")})\b`,
  "gi",
);

export interface WordFinding {
  readonly path: string;
  readonly line: number;
  readonly word: string;
  /** The line it stands in, without indentation. */
  readonly text: string;
}

/**
 * Returns the forbidden words in a file's comments and texts, or in the prose of a Markdown page.
 *
 * Code in backquotes is not prose, nor is a string of a test that is a single word: that is data.
 */
export function wordFindings(file: SourceFile): readonly WordFinding[] {
  const { path, text } = file;
  const lineAt = lineFinder(text);
  const lines = text.split("\n");
  return proseOf(file).flatMap(({ start, end }) =>
    [...withoutCode(text.slice(start, end)).matchAll(PATTERN)].flatMap(({ 0: word, index }) => {
      const line = lineAt(start + index);
      const found = lines[line - 1]?.trim() ?? "";
      if (EXCEPTIONS.some((exception) => exception.path.test(path) && exception.line.test(found))) return [];
      return [{ path, line, word: word.toLowerCase().replaceAll(new RegExp(GAP, "g"), " "), text: found }];
    }),
  );
}

/** Returns where a file has prose. A Markdown page is prose from end to end. */
function proseOf(file: SourceFile): readonly Pick<Span, "start" | "end">[] {
  if (file.path.endsWith(".md")) return [{ start: 0, end: file.text.length }];
  const { spans } = syntaxOf(file);
  const is_test = isTest(file.path);
  const texts = spans.filter(
    ({ kind, start, end }) => kind !== "comment" && (!is_test || /\s/.test(file.text.slice(start, end))),
  );
  return [...commentBlocks(file), ...texts];
}

/**
 * Returns the comments of a file. Line comments on consecutive lines are one block: a phrase can
 * span two of them.
 */
function commentBlocks(file: SourceFile): readonly Span[] {
  const blocks: Span[] = [];
  for (const span of syntaxOf(file).spans.filter(({ kind }) => kind === "comment")) {
    const last = blocks.at(-1);
    if (last !== undefined && /^\n[ \t]*$/.test(file.text.slice(last.end, span.start)))
      blocks[blocks.length - 1] = { ...last, end: span.end };
    else blocks.push(span);
  }
  return blocks;
}

/** Replaces code in backquotes with blanks of the same length. */
const withoutCode = (text: string): string => text.replaceAll(/`[^`\n]*`/g, (code) => " ".repeat(code.length));

interface Punctuation {
  readonly words: number;
  readonly semicolons: number;
}

/** Counts words and semicolons of the comments. */
export function punctuationOf(files: readonly SourceFile[]): Punctuation {
  const comments = files.flatMap((file) => commentBlocks(file).map(({ start, end }) => file.text.slice(start, end)));
  const prose = withoutCode(comments.join("\n"));
  return {
    words: [...prose.matchAll(/\S*\p{L}\S*/gu)].length,
    semicolons: [...prose.matchAll(/;/g)].length,
  };
}

export const semicolonsPer1000Words = ({ words, semicolons }: Punctuation): number =>
  words === 0 ? 0 : (semicolons * 1000) / words;

interface CommentLine {
  readonly path: string;
  readonly line: number;
  readonly columns: number;
}

/**
 * Returns each line with a comment and its width. Two kinds of line cannot be broken and are left
 * out: a linter's directive, and an address on a line of its own.
 */
export function commentLines(file: SourceFile): readonly CommentLine[] {
  const lineAt = lineFinder(file.text);
  const lines = file.text.split("\n");
  return syntaxOf(file)
    .spans.filter(({ kind }) => kind === "comment")
    .flatMap(({ start, end }) => {
      const [first, last] = [lineAt(start), lineAt(end - 1)];
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    })
    .map((line) => ({ path: file.path, line, text: lines[line - 1] ?? "" }))
    .filter(({ text }) => !/(?:ox|es)lint-disable|^\W*https?:\S+\W*$/.test(text))
    .map(({ path, line, text }) => ({ path, line, columns: text.length }));
}
