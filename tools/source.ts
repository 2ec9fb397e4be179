/**
 * Source files and what the syntax tree says about them: comments, strings and functions. House
 * rules (tidy.ts) and counts (house.ts) both read files through this module, so they mean the same
 * by each word.
 */
import { globSync } from "node:fs";
import {
  parseSync,
  Visitor,
  type ArrowFunctionExpression,
  type Function as FunctionNode,
  type ParseResult,
} from "oxc-parser";
import { read, ROOT } from "./root.ts";

export interface SourceFile {
  /** Relative to the repository's root, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** A comment or a string, as it stands in the source. */
export interface Span {
  readonly kind: "comment" | "string" | "template";
  /** Offsets into the file's text. */
  readonly start: number;
  readonly end: number;
}

export interface FunctionInfo {
  /** Null for an inline function: an argument, a returned function, an element of a list. */
  readonly name: string | null;
  readonly line: number;
  readonly lines: number;
  /** Reports whether another function contains it, inline ones included. */
  readonly is_nested: boolean;
  /** Reports whether it is an arrow that only calls another function, as factories bind verbs. */
  readonly is_binding: boolean;
}

export interface Syntax {
  /** Comments and strings in the order of the text. Module specifiers are left out. */
  readonly spans: readonly Span[];
  readonly functions: readonly FunctionInfo[];
  /** The lines where a statement is a promise with a handler, such as `send().catch(log);`. */
  readonly chains: readonly number[];
}

/** Reads the files that match, without `node_modules` and `dist`. Sorted by path. */
export function readFiles(patterns: readonly string[]): readonly SourceFile[] {
  const exclude = (path: string): boolean => /(?:^|\/)(?:node_modules|dist)$/.test(path);
  return globSync([...patterns], { cwd: ROOT, exclude })
    .map((path) => path.replaceAll("\\", "/"))
    .toSorted()
    .map((path) => ({ path, text: read(path) }));
}

export const isTest = (path: string): boolean => /(?:^|\/)test\/|\.test\.ts$/.test(path);

const parsed = new WeakMap<SourceFile, Syntax>();

/**
 * Returns the syntax of a TypeScript file. Parses each file once. @throws Error when the file does
 * not parse
 */
export function syntaxOf(file: SourceFile): Syntax {
  const known = parsed.get(file);
  if (known !== undefined) return known;
  const syntax = readSyntax(file, parse(file));
  parsed.set(file, syntax);
  return syntax;
}

/** Parses a file as TypeScript. @throws Error naming the file and the first syntax error */
export function parse({ path, text }: SourceFile): ParseResult {
  const result = parseSync(path, text, { lang: "ts", sourceType: "module" });
  const [error] = result.errors;
  if (error !== undefined) throw new Error(`${path} does not parse: ${error.message}`);
  return result;
}

function readSyntax({ text }: SourceFile, { program, comments }: ParseResult): Syntax {
  const spans: Span[] = comments.map(({ start, end }) => ({ kind: "comment", start, end }));
  const functions: FunctionInfo[] = [];
  const chains: number[] = [];
  const lineAt = lineFinder(text);
  const names = new Map<number, string>();
  let depth = 0;

  const named = (value: { type: string; start: number } | null, name: string): void => {
    if (value?.type === "ArrowFunctionExpression" || value?.type === "FunctionExpression") names.set(value.start, name);
  };
  const enter = (node: FunctionNode | ArrowFunctionExpression): void => {
    const line = lineAt(node.start);
    const name = node.type === "FunctionDeclaration" ? (node.id?.name ?? "default") : (names.get(node.start) ?? null);
    const lines = lineAt(node.end - 1) - line + 1;
    functions.push({ name, line, lines, is_nested: depth > 0, is_binding: isBinding(node) });
    depth += 1;
  };
  const leave = (): void => {
    depth -= 1;
  };
  const textOf = ({ start, end }: { start: number; end: number }): string => text.slice(start, end);

  new Visitor({
    Literal: ({ value, start, end }) => {
      if (typeof value === "string") spans.push({ kind: "string", start, end });
    },
    TemplateElement: ({ start, end }) => {
      spans.push({ kind: "template", start, end });
    },
    ExpressionStatement: ({ expression, start }) => {
      if (expression.type === "CallExpression" && expression.callee.type === "MemberExpression")
        if (/^(?:then|catch|finally)$/.test(textOf(expression.callee.property))) chains.push(lineAt(start));
    },
    VariableDeclarator: ({ id, init }) => named(init, textOf(id)),
    Property: ({ key, value }) => named(value, textOf(key)),
    FunctionDeclaration: enter,
    FunctionExpression: enter,
    ArrowFunctionExpression: enter,
    "FunctionDeclaration:exit": leave,
    "FunctionExpression:exit": leave,
    "ArrowFunctionExpression:exit": leave,
  }).visit(program);

  const specifiers = specifierStarts(program.body);
  return {
    spans: spans.filter(({ start }) => !specifiers.has(start)).toSorted((a, b) => a.start - b.start),
    functions,
    chains,
  };
}

/** `get: (id) => get(deps, id)`: an arrow whose body is one call, without a function of its own. */
function isBinding(node: FunctionNode | ArrowFunctionExpression): boolean {
  if (node.type !== "ArrowFunctionExpression" || node.body?.type !== "CallExpression") return false;
  return node.body.callee.type === "Identifier" && node.body.arguments.every(({ type }) => !FUNCTIONS.has(type));
}

const FUNCTIONS: ReadonlySet<string> = new Set(["ArrowFunctionExpression", "FunctionExpression"]);

function specifierStarts(body: ParseResult["program"]["body"]): ReadonlySet<number> {
  const sources = body.map((node) => ("source" in node ? node.source : null));
  return new Set(sources.flatMap((source) => (source === null ? [] : [source.start])));
}

/** Returns a function from an offset to its line, counted from 1. */
export function lineFinder(text: string): (offset: number) => number {
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  return (offset) => {
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}

/** Replaces the comments with blanks. Line breaks stay, so that lines keep their numbers. */
export const withoutComments = (file: SourceFile): string => blanked(file, ({ kind }) => kind === "comment");

/** Replaces comments and strings with blanks. Templates stay, because they contain code. */
export const withoutText = (file: SourceFile): string =>
  blanked(file, ({ kind }) => kind === "comment" || kind === "string");

function blanked(file: SourceFile, is_blank: (span: Span) => boolean): string {
  const parts: string[] = [];
  let from = 0;
  for (const span of syntaxOf(file).spans.filter(is_blank)) {
    parts.push(file.text.slice(from, span.start), file.text.slice(span.start, span.end).replaceAll(/[^\n]/g, " "));
    from = span.end;
  }
  return parts.join("") + file.text.slice(from);
}
