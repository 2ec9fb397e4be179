/** House rules for size: lines of files and functions, nested functions, files of a folder. */
import { dirname } from "node:path";
import { syntaxOf, type FunctionInfo, type SourceFile } from "./source.ts";

export const MAX_FILE_LINES = 400;
export const MAX_MEDIAN_LINES = 100;
export const MAX_FUNCTION_LINES = 60;
export const MAX_NESTED_SHARE = 0.15;
export const MAX_FOLDER_FILES = 20;

/** Functions that are allowed to be longer, by file and name. */
export const LONG_FUNCTIONS: readonly { readonly path: string; readonly name: string; readonly reason: string }[] = [];

/** Folders that are allowed to have more files. */
export const LARGE_FOLDERS: readonly { readonly path: string; readonly reason: string }[] = [
  { path: "packages/server/src/providers/catalog", reason: "one file per provider" },
  { path: "packages/simulator/src/vendors", reason: "one file per vendor" },
];

export const linesOf = ({ text }: SourceFile): number => text.split("\n").length - 1;

/**
 * Returns the median line count. Of an even number of files the lower of the two middle ones
 * counts.
 */
export function medianLines(files: readonly SourceFile[]): number {
  const sorted = files.map(linesOf).toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

export interface FunctionIn extends FunctionInfo {
  readonly path: string;
}

const functionsOf = (files: readonly SourceFile[]): readonly FunctionIn[] =>
  files.flatMap((file) => syntaxOf(file).functions.map((info) => ({ path: file.path, ...info })));

/** Returns the functions over the limit, inline ones included. The exceptions are left out. */
export function longFunctions(files: readonly SourceFile[]): readonly FunctionIn[] {
  const is_excepted = ({ path, name }: FunctionIn): boolean =>
    LONG_FUNCTIONS.some((exception) => exception.path === path && exception.name === name);
  return functionsOf(files).filter((info) => info.lines > MAX_FUNCTION_LINES && !is_excepted(info));
}

interface Nesting {
  readonly functions: number;
  /** Bindings aside. */
  readonly nested: number;
  readonly nested_bindings: number;
}

/**
 * Counts the named functions, and those of them that are declared inside another function.
 *
 * Named functions are function declarations, functions assigned to a `const` or `let`, and the
 * methods of object literals. Inline functions (arguments, returned functions) are not counted, but
 * what they contain is nested. A binding, an arrow that only calls a named function, hides no
 * logic. Thin factories consist of bindings, so they are counted apart.
 */
export function nestingOf(files: readonly SourceFile[]): Nesting {
  const named = functionsOf(files).filter(({ name }) => name !== null);
  const nested = named.filter(({ is_nested }) => is_nested);
  const nested_bindings = nested.filter(({ is_binding }) => is_binding).length;
  return { functions: named.length, nested: nested.length - nested_bindings, nested_bindings };
}

export const nestedShare = ({ functions, nested }: Nesting): number => (functions === 0 ? 0 : nested / functions);

export interface Folder {
  readonly path: string;
  readonly files: number;
}

/** Counts the files of each folder, without its subfolders. Sorted by path. */
export function foldersOf(files: readonly Pick<SourceFile, "path">[]): readonly Folder[] {
  const groups = Map.groupBy(files, ({ path }) => dirname(path));
  return [...groups]
    .map(([path, list]) => ({ path, files: list.length }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Returns the folders with more files than allowed. The exceptions are left out. */
export const largeFolders = (files: readonly Pick<SourceFile, "path">[]): readonly Folder[] =>
  foldersOf(files).filter(
    (folder) => folder.files > MAX_FOLDER_FILES && !LARGE_FOLDERS.some(({ path }) => path === folder.path),
  );
