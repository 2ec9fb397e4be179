/**
 * Reads functions from a directory, in the layouts that projects use:
 *
 * - `<name>/entry.ts`, `<name>/index.ts`, or .js: a function with its own folder. Names can be
 *   nested: `crm/sync/entry.ts`.
 * - `<name>/function.jsonc` with `name`, `entry` and `automations`, as the public CLI writes it.
 * - `<name>.ts` or .js outside of such folders: a single-file function.
 * - `../shared/**`: files that every function with a folder can import.
 *
 * The files are someone's project. Symbolic links are not followed, because one could lead to any
 * file of this machine.
 */
import { constants } from "node:fs";
import { open, readdir, realpath } from "node:fs/promises";
import { basename, join, posix, relative, sep } from "node:path";
import { parse, type ParseError } from "jsonc-parser";
import { errnoOf } from "../../core/errno.ts";
import { CodedError } from "../../core/errors.ts";
import { isFunctionName, type SourceFile } from "../../core/functions/functions.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/types.ts";

const CONFIG_NAMES = ["function.jsonc", "function.json"];
const EXTENSIONS = ["ts", "js", "mts", "mjs", "tsx", "jsx"];
const ENTRIES = EXTENSIONS.map((extension) => `entry.${extension}`);
/** Counts only outside of other functions, because helpers are often named `index.ts`. */
const INDEXES = EXTENSIONS.map((extension) => `index.${extension}`);
const SINGLE_FILE = /^(.+)\.(?:ts|js)$/;
/** A directory with more entries is not a directory of functions. */
const MAX_ENTRIES = 20_000;
const MAX_DEPTH = 32;
const CONFIG_BYTES = 262_144;

/** A function on disk. */
export interface FoundFunction {
  readonly name: string;
  /** The folder that the paths of its files are relative to. */
  readonly folder: string;
  /** Relative to `folder`. */
  readonly entry: string;
  /** Absolute paths. */
  readonly files: readonly string[];
  readonly automations: readonly unknown[];
  /** The reason why it cannot be used, or null. */
  readonly problem: string | null;
}

export interface Scan {
  /** By name. */
  readonly functions: readonly FoundFunction[];
  /** Every directory and file that the result depends on. */
  readonly paths: readonly string[];
}

interface Folder {
  readonly path: string;
  /** Names of files and of links. */
  readonly files: readonly string[];
  readonly folders: readonly Folder[];
}

/** Returns the functions of a directory. An unreadable directory has none. */
export async function scanFunctions(directory: string): Promise<Scan> {
  const base = await realpath(directory).catch(() => null);
  if (base === null) return { functions: [], paths: [] };
  const budget = { entries: MAX_ENTRIES };
  const root = await walk(base, budget, 0);
  const shared = await walk(join(base, "..", "shared"), budget, 0);
  const found = await functionsIn(root, { base, shared: filesBelow(shared), inside: false });
  const counts = Map.groupBy(found, ({ name }) => name);
  const functions = found.map((one) =>
    (counts.get(one.name)?.length ?? 0) > 1 ? { ...one, problem: `Two functions are named ${one.name}.` } : one,
  );
  return {
    functions: functions.toSorted((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name))),
    paths: [root, shared].flatMap((folder) => [...foldersBelow(folder), ...filesBelow(folder)]),
  };
}

/** Skips hidden entries and installed packages. A missing directory is empty. */
async function walk(path: string, budget: { entries: number }, depth: number): Promise<Folder> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const visible = entries.filter(({ name }) => !name.startsWith(".") && name !== "node_modules");
  budget.entries -= visible.length;
  if (budget.entries < 0 || depth > MAX_DEPTH)
    throw new CodedError("function_invalid", { message: `${path} has too many files for a directory of functions.` });
  const folders: Folder[] = [];
  for (const entry of visible)
    if (entry.isDirectory()) folders.push(await walk(join(path, entry.name), budget, depth + 1));
  const files = visible.filter((entry) => entry.isFile() || entry.isSymbolicLink()).map(({ name }) => name);
  return { path, files: files.toSorted(), folders };
}

const filesBelow = ({ path, files, folders }: Folder): readonly string[] => [
  ...files.map((name) => join(path, name)),
  ...folders.flatMap(filesBelow),
];
const foldersBelow = ({ path, folders }: Folder): readonly string[] => [path, ...folders.flatMap(foldersBelow)];

interface Surroundings {
  readonly base: string;
  readonly shared: readonly string[];
  /** True below the folder of another function. */
  readonly inside: boolean;
}

async function functionsIn(folder: Folder, surroundings: Surroundings): Promise<FoundFunction[]> {
  const { base, inside } = surroundings;
  const own = folder.path === base ? null : await folderFunction(folder, surroundings);
  const below = { ...surroundings, inside: inside || own !== null };
  const nested: FoundFunction[] = [];
  for (const child of folder.folders) nested.push(...(await functionsIn(child, below)));
  const single = below.inside ? [] : folder.files.flatMap((file) => singleFile(folder.path, file, base));
  return [...(own === null ? [] : [own]), ...single, ...nested];
}

async function folderFunction(folder: Folder, { base, shared, inside }: Surroundings): Promise<FoundFunction | null> {
  const { path, files } = folder;
  const config_name = CONFIG_NAMES.find((name) => files.includes(name));
  const found_entry = [...ENTRIES, ...(inside ? [] : INDEXES)].find((name) => files.includes(name));
  if (config_name === undefined && found_entry === undefined) return null;
  const config = config_name === undefined ? {} : await readConfig(join(path, config_name));
  const default_name = slashed(relative(base, path));
  const { name = default_name, entry = found_entry, automations = [] } = config ?? {};
  const problem =
    config === null
      ? `${config_name} is not valid JSON.`
      : problemOf(folder, { name, entry, automations, config_name: config_name ?? "" });
  return {
    name: problem === null && typeof name === "string" ? name.trim() : default_name,
    folder: path,
    entry: typeof entry === "string" ? posix.normalize(entry) : "",
    files: [...filesBelow(folder), ...shared],
    automations: Array.isArray(automations) ? automations : [],
    problem,
  };
}

function problemOf(
  { path }: Folder,
  config: { name: JsonValue; entry: JsonValue | undefined; automations: JsonValue; config_name: string },
): string | null {
  const { name, entry, automations, config_name } = config;
  if (typeof name !== "string" || !isFunctionName(name.trim()))
    return `${JSON.stringify(name)} cannot name a function. Use letters, digits, _ and -, and / for a nested name.`;
  if (typeof entry !== "string") return `${config_name} in ${basename(path)} does not name an entry file.`;
  return Array.isArray(automations) ? null : `The automations in ${config_name} are not a list.`;
}

/** A single-file function cannot import files: its folder is the directory of all functions. */
function singleFile(folder: string, file: string, base: string): FoundFunction[] {
  const [, stem = ""] = SINGLE_FILE.exec(file) ?? [];
  const name = slashed(join(relative(base, folder), stem));
  if (stem === "" || !isFunctionName(name)) return [];
  return [{ name, folder, entry: file, files: [join(folder, file)], automations: [], problem: null }];
}

const slashed = (path: string): string => path.split(sep).join("/");

/** Returns null if the file is not a JSON object. */
async function readConfig(path: string): Promise<JsonObject | null> {
  const text = await readText(path, CONFIG_BYTES).catch(() => null);
  const errors: ParseError[] = [];
  const value: unknown = text === null ? null : parse(text, errors, { allowTrailingComma: true });
  return errors.length === 0 && isJsonObject(value) ? value : null;
}

/**
 * Returns the files of a function, with paths relative to its folder. Leaves out files that are not
 * text, such as pictures.
 *
 * @throws CodedError `function_invalid` if one is a symbolic link, or larger than `source_bytes`
 */
export async function readSource(
  { name, folder, files, problem }: FoundFunction,
  source_bytes: number,
): Promise<readonly SourceFile[]> {
  if (problem !== null) throw new CodedError("function_invalid", { message: problem });
  const read: SourceFile[] = [];
  for (const file of files) {
    const path = slashed(relative(folder, file));
    const content = await readText(file, source_bytes).catch((error: unknown) => {
      const why =
        errnoOf(error) === "ELOOP" ? "is a symbolic link. Replace it with the file itself" : whyTooLarge(error);
      if (why === null) throw error;
      throw new CodedError("function_invalid", {
        message: `The file ${path} of the function ${name} ${why}.`,
        cause: error,
      });
    });
    if (content !== null) read.push({ path, content });
  }
  return read;
}

const whyTooLarge = (error: unknown): string | null => (error instanceof RangeError ? error.message : null);

/**
 * Returns null if the file is not UTF-8, or is deleted meanwhile.
 *
 * @throws RangeError if it has more than `limit` bytes
 */
async function readText(path: string, limit: number): Promise<string | null> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return null;
    throw error;
  });
  if (file === null) return null;
  try {
    if ((await file.stat()).size > limit) throw new RangeError(`is larger than ${limit} bytes`);
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await file.readFile());
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  } finally {
    await file.close();
  }
}
