/**
 * The files of one function, in memory. A path is relative to the function's folder: `entry.ts`,
 * `lib/x.ts`, or `../../shared/y.ts`.
 *
 * esbuild knows each file by a path below `root`. Only names are ever there, for imports with a
 * pattern. Contents come from memory, so no link or other trick of a file system leads elsewhere.
 */
import { join, posix, sep } from "node:path";
import type { SourceTree } from "../../../core/functions/functions.ts";

export interface Tree {
  readonly function_name: string;
  readonly entry: string;
  /** Contents by path. */
  readonly files: ReadonlyMap<string, string>;
  /** The function's folder. */
  readonly folder: string;
  /** How many levels above the function's folder the shared one can be. */
  readonly shared_levels: ReadonlySet<number>;
}

export type Resolution = { readonly path: string } | { readonly why: string };

/** The level of the shared folder as the public CLI sends it, even for a nested function. */
const SHARED_LEVEL = 2;
const SHARED = "../../shared/";

/** `root` is a folder that only this process uses. */
export function treeOf({ function_name, entry, files }: SourceTree, root: string): Tree {
  // Seen from crm/sync, the shared folder on disk is one level higher than as sent.
  const shared_levels = new Set([SHARED_LEVEL, function_name.split("/").length + 1]);
  return {
    function_name,
    entry,
    files: new Map(files.map(({ path, content }) => [sharedAsSent(path, shared_levels), content])),
    folder: join(root, "functions", "function"),
    shared_levels,
  };
}

function sharedAsSent(path: string, levels: ReadonlySet<number>): string {
  const segments = path.split("/");
  const up = segments.findIndex((segment) => segment !== "..");
  const is_shared = levels.has(up) && segments[up] === "shared" && segments.length > up + 1;
  return is_shared ? `${SHARED}${segments.slice(up + 1).join("/")}` : path;
}

export const diskPath = ({ folder }: Tree, path: string): string => join(folder, path);

/** Returns the tree's path of a file that esbuild knows. Null for all other files. */
export function treePath({ files, folder }: Tree, disk: string): string | null {
  const path = posix.relative(folder.split(sep).join("/"), disk.split(sep).join("/"));
  return files.has(path) ? path : null;
}

/** Returns the file that a relative specifier means. `why` completes "imports X, which …". */
export function resolveRelative(tree: Tree, importer: string, specifier: string): Resolution {
  const path = located(tree, importer, specifier);
  if (tree.files.has(path)) return { path };
  if (!isInside(path))
    return { why: "is outside the function's own folder. Move it into that folder, or into shared." };
  if (tree.files.size === 1 && !hasFolder(tree)) return { why: singleFile(tree.function_name) };
  const extension = [".ts", ".js"].find((end) => tree.files.has(path + end));
  return {
    why: extension === undefined ? "does not exist." : `does not exist. Write the full name: ${specifier}${extension}`,
  };
}

/** A single-file function `crm/sync` has the entry `sync.ts`. One with a folder has `entry.ts`. */
const hasFolder = ({ entry, function_name }: Tree): boolean =>
  posix.parse(entry).name !== posix.basename(function_name);

const singleFile = (function_name: string): string =>
  `a single-file function cannot do. Give it a folder: ${function_name}/entry.ts with its files beside it.`;

const located = (tree: Tree, importer: string, specifier: string): string =>
  sharedAsSent(posix.join(posix.dirname(importer), specifier), tree.shared_levels);

function isInside(path: string): boolean {
  return path.startsWith(SHARED) || (path !== ".." && !path.startsWith("../"));
}

/**
 * Returns the files that an import with a pattern can mean, or null if it can reach outside the
 * function's folder. esbuild writes a template, and a sum of strings, with stars in place of
 * expressions.
 */
export function filesMatching(tree: Tree, importer: string, pattern: string): readonly string[] | null {
  const [start = ""] = pattern.split("*");
  const prefix = located(tree, importer, start);
  if (!isInside(prefix) || pattern.slice(start.length).includes("..")) return null;
  const inside = prefix === "." || prefix === "./" ? "" : prefix;
  return [...tree.files.keys()].filter((path) => path.startsWith(inside) && (inside !== "" || isInside(path)));
}
