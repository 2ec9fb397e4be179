/**
 * Finds functions on disk. `<dir>/<name>/entry.ts` (or .js) is a function with its own folder.
 * `<dir>/<name>.ts` (or .js) is a single-file function. Names can be nested (`crm/sync`). Files
 * inside a function's folder are not functions. Otherwise a request could run a helper file as a
 * function.
 *
 * Must not know how a function is bundled or run.
 */
import { lstat, readdir, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { CodedError } from "../core/errors.ts";

/** One segment. Uppercase is allowed because existing functions often have camelCase names. */
const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/;
const MAX_SEGMENTS = 8;
const EXTENSIONS = [".ts", ".js"] as const;

export interface FunctionSource {
  readonly function_name: string;
  /** Real path of the entry file. */
  readonly entry: string;
  /** Real path of the folder whose files it can import. Null for a single-file function. */
  readonly folder: string | null;
  /** The folder above it whose files it can import too, if there is one. */
  readonly readable?: string;
}

export interface FunctionMatch {
  readonly function_name: string;
  /** The path after the name, with a leading `/`. */
  readonly path: string;
}

/**
 * Returns the source of a function.
 *
 * @throws CodedError `function_not_found`, also for an invalid name
 * @throws CodedError `function_invalid` if it is reached through a symbolic link
 */
export async function findFunction(functions_dir: string, function_name: string): Promise<FunctionSource> {
  const match = await matchFunction(functions_dir, function_name);
  if (match === null || match.function_name !== function_name) throw notFound(function_name);
  const base = await realpath(functions_dir);
  const file = await entryOf(join(base, ...function_name.split("/")));
  if (file === null) throw notFound(function_name);
  const entry = await realpath(file.path);
  if (entry !== file.path) {
    throw new CodedError("function_invalid", {
      message: `The function ${function_name} is reached through a symbolic link. Put its files into the functions directory instead.`,
    });
  }
  return { function_name, entry, folder: file.folder };
}

/**
 * Returns the function that a path such as `crm/sync/42` belongs to, and the rest. Null if there is
 * none.
 */
export async function matchFunction(functions_dir: string, path: string): Promise<FunctionMatch | null> {
  const segments = path.replace(/^\//, "").split("/");
  const base = await realpath(functions_dir).catch(() => null);
  if (base === null) return null;
  for (let count = 1; count <= Math.min(segments.length, MAX_SEGMENTS); count += 1) {
    const name = segments.slice(0, count);
    if (!name.every((segment) => SEGMENT.test(segment))) return null;
    // The shortest match is the only one, because a function's folder contains no other functions.
    if ((await entryOf(join(base, ...name))) === null) continue;
    return { function_name: name.join("/"), path: `/${segments.slice(count).join("/")}` };
  }
  return null;
}

/** Returns all names, sorted. An unreadable or missing directory has none. */
export async function listFunctions(functions_dir: string): Promise<readonly string[]> {
  const found = await listBelow(functions_dir, []);
  return [...new Set(found)].toSorted();
}

async function listBelow(directory: string, above: readonly string[]): Promise<string[]> {
  if (above.length >= MAX_SEGMENTS) return [];
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const names: string[] = [];
  for (const entry of entries) {
    const extension = EXTENSIONS.find((known) => entry.name.endsWith(known));
    const name = entry.isFile() && extension !== undefined ? entry.name.slice(0, -extension.length) : entry.name;
    if (!SEGMENT.test(name)) continue;
    const path = [...above, name];
    if (entry.isFile() && extension !== undefined) names.push(path.join("/"));
    if (!entry.isDirectory()) continue;
    if (await folderEntry(join(directory, name))) names.push(path.join("/"));
    else names.push(...(await listBelow(join(directory, name), path)));
  }
  return names;
}

async function entryOf(path: string): Promise<{ path: string; folder: string | null } | null> {
  const inFolder = await folderEntry(path);
  if (inFolder !== null) return { path: inFolder, folder: path };
  const file = await firstFile(EXTENSIONS.map((extension) => path + extension));
  return file === null ? null : { path: file, folder: null };
}

const folderEntry = (folder: string): Promise<string | null> =>
  firstFile(EXTENSIONS.map((extension) => `${folder}${sep}entry${extension}`));

async function firstFile(paths: readonly string[]): Promise<string | null> {
  for (const path of paths) {
    const stats = await lstat(path).catch(() => null);
    if (stats !== null && (stats.isFile() || stats.isSymbolicLink())) return path;
  }
  return null;
}

function notFound(function_name: string): CodedError {
  const is_printable = function_name.length <= 200 && !/[^\w/-]/.test(function_name);
  return new CodedError(
    "function_not_found",
    is_printable ? { message: `No function is named ${function_name}.` } : {},
  );
}
