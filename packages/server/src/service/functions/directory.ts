/**
 * The functions of one app, live from a directory. The next call sees a changed file. Each call
 * compares the files' timestamps, with one stat per file, and bundles only after a change. Must not
 * know how a bundle is made or run.
 */
import { stat } from "node:fs/promises";
import { CodedError } from "../../core/errors.ts";
import { functionNotFound, withSourceMap, type Bundler, type SourceTree } from "../../core/functions/functions.ts";
import type { Limits } from "../../core/limits.ts";
import { sha256Hex, type Secret } from "../../core/secret.ts";
import type { AppId } from "../../core/types.ts";
import { readSource, scanFunctions, type FoundFunction, type Scan } from "./folder.ts";
import { checkTree } from "./tree.ts";

export interface FunctionDirectory {
  readonly app_id: AppId;
  /** Override the app's own secrets with the same names. */
  readonly secrets: Readonly<Record<string, Secret>>;
  has(name: string): Promise<boolean>;
  names(): Promise<readonly string[]>;
  /** Returns the source of a function. @throws CodedError `function_invalid` */
  source(name: string): Promise<DirectorySource>;
  /** Returns the code of a function to run. @throws CodedError `function_invalid` */
  code(name: string): Promise<DirectoryCode>;
}

export interface DirectorySource {
  readonly tree: SourceTree;
  readonly automations: readonly unknown[];
  /** The same for the same source. */
  readonly source_id: string;
}

export interface DirectoryCode {
  readonly version_id: string;
  readonly code: string;
}

export interface DirectoryOptions {
  readonly directory: string;
  readonly app_id: AppId;
  readonly secrets: Readonly<Record<string, Secret>>;
  readonly bundler: Bundler;
  readonly limits: Pick<Limits, "function_files" | "function_source_bytes">;
}

interface Known {
  readonly scan: Scan;
  readonly stamps: readonly string[];
  /** Sources read since the scan, by name. */
  readonly sources: Map<string, Promise<DirectorySource>>;
}

interface State extends DirectoryOptions {
  known: Known | null;
  /** The running check, shared by parallel calls. */
  checking: Promise<Known> | null;
  /** The latest bundle of each function, by name, with the id of its source. */
  readonly bundles: Map<string, { readonly source_id: string; readonly code: Promise<DirectoryCode> }>;
}

export function createFunctionDirectory(options: DirectoryOptions): FunctionDirectory {
  const state: State = { ...options, known: null, checking: null, bundles: new Map() };
  return {
    app_id: options.app_id,
    secrets: options.secrets,
    has: async (name) => find(await current(state), name) !== null,
    names: async () => (await current(state)).scan.functions.map(({ name }) => name),
    source: async (name) => await sourceOf(state, await current(state), name),
    code: (name) => codeOf(state, name),
  };
}

export async function inDirectory(directory: FunctionDirectory | null, app_id: AppId, name: string): Promise<boolean> {
  return directory !== null && directory.app_id === app_id && (await directory.has(name));
}

function current(state: State): Promise<Known> {
  state.checking ??= check(state).finally(() => (state.checking = null));
  return state.checking;
}

async function check(state: State): Promise<Known> {
  const { known, directory } = state;
  if (known !== null && sameStamps(await stampsOf(known.scan.paths), known.stamps)) return known;
  // Stamps first: a change during the scan then shows at the next check.
  const before = await scanFunctions(directory);
  const stamps = await stampsOf(before.paths);
  const scan = await scanFunctions(directory);
  const paths_changed =
    scan.paths.length !== before.paths.length || scan.paths.some((path, i) => path !== before.paths[i]);
  state.known = { scan, stamps: paths_changed ? [] : stamps, sources: new Map() };
  return state.known;
}

const stampsOf = (paths: readonly string[]): Promise<readonly string[]> =>
  Promise.all(
    paths.map(async (path) => {
      const stats = await stat(path, { bigint: true }).catch(() => null);
      return stats === null ? "" : `${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
    }),
  );

const sameStamps = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((stamp, index) => stamp === b[index]);

function find({ scan }: Known, name: string): FoundFunction | null {
  return scan.functions.find((one) => one.name === name) ?? null;
}

function sourceOf(state: State, known: Known, name: string): Promise<DirectorySource> {
  const running = known.sources.get(name) ?? readTree(state, find(known, name), name);
  known.sources.set(name, running);
  return running;
}

async function readTree({ limits }: State, found: FoundFunction | null, name: string): Promise<DirectorySource> {
  if (found === null) throw functionNotFound(name);
  const files = await readSource(found, limits.function_source_bytes);
  const tree = asFunctionInvalid(() => checkTree(name, { entry: found.entry, files }, limits));
  return { tree, automations: found.automations, source_id: `dir_${sha256Hex(JSON.stringify(tree))}` };
}

/** A call of the function is not a deployment: its caller cannot correct the files. */
function asFunctionInvalid<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    throw new CodedError("function_invalid", { message: error.message, cause: error });
  }
}

async function codeOf(state: State, name: string): Promise<DirectoryCode> {
  const { bundles } = state;
  const { tree, source_id } = await sourceOf(state, await current(state), name);
  const known = bundles.get(name);
  const bundle = known?.source_id === source_id ? known : { source_id, code: bundled(state, tree) };
  bundles.set(name, bundle);
  try {
    return await bundle.code;
  } catch (error) {
    // The cause can be outside the source, so the next call must try again.
    if (bundles.get(name) === bundle) bundles.delete(name);
    throw error;
  }
}

/** The same code is the same version: a change to a file that nothing imports keeps the process. */
async function bundled({ bundler }: State, tree: SourceTree): Promise<DirectoryCode> {
  const code = withSourceMap(await bundler.bundle(tree));
  return { version_id: `dir_${sha256Hex(`${tree.function_name}\n${code}`)}`, code };
}
